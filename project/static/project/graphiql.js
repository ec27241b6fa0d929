// Starts GraphiQL with the tabs of the chosen product. Everything it needs is served from here.
(function () {
  "use strict";

  const page = JSON.parse(document.getElementById("page").textContent);

  // An operation that another page hands over is in the fragment of the address, which browsers send to no server.
  const handed = new URLSearchParams(location.hash.slice(1));
  if (handed.get("query")) page.tabs.unshift({ query: handed.get("query"), variables: handed.get("variables") || "{}" });
  addEventListener("hashchange", () => location.reload());

  // Dialogs write a style sheet while they run: the page's policy allows those with the nonce of this script.
  const { nonce } = document.currentScript;
  const createElement = document.createElement.bind(document);
  document.createElement = function (name, options) {
    const element = createElement(name, options);
    if (name === "style") element.nonce = nonce;
    return element;
  };

  function cookie(name) {
    const found = document.cookie.split("; ").find((part) => part.startsWith(name + "="));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }

  // Each product keeps its history. The tabs come from the server, with fresh variables: a stored query would take the
  // place of the first.
  const space = "exemplar:" + page.product + ":";
  const fresh = ["graphiql:query", "graphiql:variables", "graphiql:tabState"];
  const storage = {
    getItem: (key) => (fresh.includes(key) ? null : localStorage.getItem(space + key)),
    setItem: (key, value) => localStorage.setItem(space + key, value),
    removeItem: (key) => localStorage.removeItem(space + key),
    clear: () => Object.keys(localStorage).filter((key) => key.startsWith(space)).forEach((key) => localStorage.removeItem(key)),
    get length() {
      return Object.keys(localStorage).filter((key) => key.startsWith(space)).length;
    },
  };

  const url = location.origin + "/graphql/";
  const send = GraphiQL.createFetcher({
    url,
    // The server answers in one piece. Otherwise each answer would be an iterator of parts, and `fetcher` reads answers.
    enableIncrementalDelivery: false,
    // The cookie is read for each request: logging in changes it.
    fetch: (target, options) =>
      fetch(target, { ...options, headers: { ...options.headers, "X-CSRFToken": cookie("csrftoken") } }),
    wsClient: graphqlWs.createClient({ url: url.replace(/^http/, "ws"), retryAttempts: 5 }),
  });

  // The build that was requested last is the one to watch, until somebody writes another id.
  const prepared = (page.tabs.map((tab) => JSON.parse(tab.variables || "{}")).find((variables) => "build" in variables) || {}).build;
  let requested = null;

  function watch(params) {
    const variables = params.variables || {};
    return requested && variables.build === prepared ? { ...params, variables: { ...variables, build: requested } } : params;
  }

  // GraphiQL shows the last event of a subscription; the log has all of them, the newest ones if they are many.
  const log = document.getElementById("events");
  const list = document.getElementById("event-list");
  const MOST_EVENTS = 1000;
  let count = 0;

  function note(answer, started) {
    count += 1;
    const item = document.createElement("li");
    const number = document.createElement("b");
    number.textContent = `#${count}, ${((performance.now() - started) / 1000).toFixed(1)} s  `;
    item.append(number, JSON.stringify(answer.data === undefined ? answer : answer.data), "\n");
    list.append(item);
    if (list.childElementCount > MOST_EVENTS) list.firstElementChild.remove();
    list.scrollTop = list.scrollHeight;
    document.getElementById("event-count").textContent = count.toLocaleString();
    log.hidden = false;
  }

  document.getElementById("event-clear").addEventListener("click", () => {
    list.replaceChildren();
    count = 0;
    document.getElementById("event-count").textContent = "0";
  });

  // Not a generator: its `return` would wait for the next event, and the stop button with it.
  function logged(events) {
    const started = performance.now();
    const iterator = events[Symbol.asyncIterator]();
    return {
      [Symbol.asyncIterator]() { return this; },
      async next() {
        const step = await iterator.next();
        if (!step.done) note(step.value, started);
        return step;
      },
      return: async (value) => (iterator.return ? iterator.return(value) : { done: true, value }),
      throw: async (error) => (iterator.throw ? iterator.throw(error) : Promise.reject(error)),
    };
  }

  async function fetcher(params, options) {
    const answer = await send(watch(params), options);
    if (answer && answer[Symbol.asyncIterator]) return logged(answer);
    const build = answer && answer.data && answer.data.requestBuild && answer.data.requestBuild.build;
    requested = build ? build.id : requested;
    return answer;
  }

  // The explorer shows and edits the query of the open tab.
  function Page() {
    const [query, setQuery] = React.useState((page.tabs[0] || {}).query);
    const explorer = GraphiQLPluginExplorer.useExplorerPlugin({ query, onEdit: setQuery });
    return React.createElement(GraphiQL, {
      fetcher,
      storage,
      query,
      onEditQuery: setQuery,
      defaultTabs: page.tabs,
      plugins: [explorer],
      defaultEditorToolsVisibility: "variables",
      isHeadersEditorEnabled: true,
      shouldPersistHeaders: false,
    });
  }

  ReactDOM.render(React.createElement(Page), document.getElementById("graphiql"));
})();
