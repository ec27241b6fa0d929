"""GraphiQL in the frame: the chooser of products, documents that pages hand over, the log of events."""

import pytest

from tests import test_browser
from tests.console.inspection import Page
from tests.waiting import BUILD_PATIENCE

VALUE = "return document.querySelector('{}').CodeMirror.getValue()"
EDITOR, ANSWER = ".graphiql-query-editor .CodeMirror", ".result-window .CodeMirror"
#: A build that has ended, whose events come all at once.
BUILD = "{ wine { builds(first: 1, filter: { status: { eq: SUCCEEDED } }) { nodes { id } } } }"


def test_the_menu_of_the_console_stands_beside_graphiql(page: Page) -> None:
    page.open("/graphql/?product=wine")
    page.wait(lambda: page.find_all("button.graphiql-tab-button"))
    assert page.find(".general a[aria-current]").text == "GraphiQL"
    assert page.find("#chosen").text == "Wine"
    page.find("details.products summary").click()
    page.find(".products-body a[href='?product=diabetes']").click()
    page.wait(lambda: page.find("#chosen").text == "Diabetes")


def test_a_page_hands_its_document_over_in_the_fragment(page: Page) -> None:
    page.open("/")
    page.find(".queries summary").click()
    link = page.find("[data-operation] a.button")
    path, _, fragment = str(link.get_attribute("href")).partition("#")
    assert path.endswith("/graphql/") and "query" in fragment
    link.click()
    page.wait(lambda: page.find_all("button.graphiql-execute-button"))
    page.wait(lambda: "query " in page.browser.execute_script(VALUE.format(EDITOR)))
    assert "query " + page.find(".graphiql-tab-button").text in page.browser.execute_script(
        VALUE.format(EDITOR)
    )
    page.find("button.graphiql-execute-button").click()
    page.wait(lambda: '"data": {' in page.browser.execute_script(VALUE.format(ANSWER)))
    assert '"errors"' not in page.browser.execute_script(VALUE.format(ANSWER))


def test_all_events_of_a_subscription_are_in_the_log(page: Page) -> None:
    [build] = page.system.ask(BUILD)["data"]["wine"]["builds"]["nodes"]
    page.open("/graphql/?product=wine")
    graphiql = test_browser.Page(page.browser)
    page.wait(lambda: graphiql.tabs)
    assert not page.find("#events").is_displayed()
    graphiql.open("WineBuildProgress")
    graphiql.write_variables({"build": build["id"]})
    graphiql.run()
    page.wait(lambda: '"final": true' in graphiql.answer, BUILD_PATIENCE)
    page.find("#events summary").click()
    entries = [item.get_attribute("textContent") for item in page.find_all("#event-list li")]
    assert len(entries) > 3
    assert len(entries) == int(page.find("#event-count").text)
    assert '"final":true' in entries[-1] and '"final":false' in entries[0]
    page.find("#event-clear").click()
    assert page.find_all("#event-list li") == []


@pytest.mark.parametrize("count", [9])
def test_a_chooser_of_many_products_is_searched(page: Page, count: int) -> None:
    page.open("/graphql/")
    page.wait(lambda: page.find_all("button.graphiql-tab-button"))
    page.find("details.products summary").click()
    # The system has few products: the list is lengthened as the server would, and searched by the page's own script.
    page.browser.execute_script(
        "const list = document.querySelector('.products-body ul');"
        "for (let i = 0; i < arguments[0]; i++) {"
        " const item = list.lastElementChild.cloneNode(true);"
        " item.firstElementChild.textContent = `Another ${i}`; list.append(item); }"
        "const box = document.createElement('input'); box.id = 'explore-search'; list.before(box);",
        count,
    )
    page.find("#explore-search").send_keys("another 7")
    assert [item.text for item in page.find_all(".products-body li") if item.is_displayed()] == ["Another 7"]
