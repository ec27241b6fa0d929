"""The page on which a file becomes a product.

It is the one page that does not ask the API: it writes code, as `./dev newproduct` does, and shows that command.
"""

import gzip
import zipfile
import zlib
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from project import state
from store.access.middleware import actor_of
from store.ingest.files import field_names

from ..api import ask
from ..drafts import PLAN, WRITE, Draft, create_draft, find_draft
from ..pages import page, render
from ..uploads import may_create
from ..wishes import MOST_COLUMNS, NOTHING, TASKS, WITHOUT_LABEL, Wishes, list_columns, read_wishes, to_words

#: The title of all states of this page.
TITLE = "New product"
#: Characters of a product's name, at most.
LONGEST_NAME = 36
#: With what files of gzip begin, and the bytes of one that are unpacked at once.
GZIP, CHUNK = b"\x1f\x8b", 1_048_576
NOT_SUPERVISED = (
    "A product is code beside manage.py, and its processes load it at their start. These processes are not run by "
    "./dev up on this machine, so this page cannot start them anew."
)


def refuse_reason(request: HttpRequest) -> str:
    """Say why the caller cannot create a product here; empty where that is possible."""
    if not may_create(actor_of(request)):
        return "Only who may administer all products creates one: ask an administrator, or log in as one."
    return "" if state.is_supervised(settings.EXEMPLAR_STATE) else NOT_SUPERVISED


@page
def new(request: HttpRequest) -> HttpResponse:
    """Show the form for the files."""
    context = {
        "title": TITLE,
        "reason": refuse_reason(request),
        "largest": settings.EXEMPLAR_UPLOAD,
        "command": "./dev newproduct NAME FILE --label COLUMN",
    }
    return render(request, "console/new.html", context)


@page
def upload(request: HttpRequest) -> HttpResponse:
    """Store the files as a draft, and begin to read them."""
    if request.method != "POST" or refuse_reason(request):
        return HttpResponseRedirect(reverse("console:new"))
    uploads = [each for each in request.FILES.getlist("files") if isinstance(each, UploadedFile)]
    if refusal := refuse_files(uploads):
        messages.error(request, refusal)
        return HttpResponseRedirect(reverse("console:new"))
    draft = create_draft(uploads)
    (name,) = field_names([uploads[0].name.partition(".")[0] if uploads[0].name else "product"])
    draft.choose(Wishes(name=name[:LONGEST_NAME].strip("_")))
    draft.run(PLAN)
    return go_to(draft)


def refuse_files(uploads: list[UploadedFile]) -> str:
    """Say what is wrong with the files before they are read; empty if nothing is."""
    if not uploads:
        return "Choose a file first."
    if sum(upload.size or 0 for upload in uploads) > settings.EXEMPLAR_UPLOAD:
        return f"Files may have {settings.EXEMPLAR_UPLOAD:,} bytes together: use the command for larger ones."
    if sum(map(measure_unpacked, uploads)) > settings.EXEMPLAR_UPLOAD:
        return (
            f"Unpacked, files may have {settings.EXEMPLAR_UPLOAD:,} bytes: use the command for larger ones."
        )
    if empty := [upload.name for upload in uploads if not upload.size]:
        return f"{empty[0]} is empty."
    return ""


def measure_unpacked(upload: UploadedFile) -> int:
    """Measure a file as it is once it is unpacked: 1 MB may be some GB. A workbook says it itself."""
    upload.seek(0)
    if upload.read(len(GZIP)) == GZIP:
        return _measure_gzip(upload)
    if not zipfile.is_zipfile(upload):
        return upload.size or 0
    try:
        with zipfile.ZipFile(upload) as archive:
            return sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # the command says what is wrong with it
        return upload.size or 0


def _measure_gzip(upload: UploadedFile) -> int:
    """Unpack a file as far as it may be large, and count."""
    upload.seek(0)
    size = 0
    try:
        with gzip.GzipFile(fileobj=upload) as unpacked:
            while size <= settings.EXEMPLAR_UPLOAD and (chunk := unpacked.read(CHUNK)):
                size += len(chunk)
    except (OSError, EOFError, zlib.error):  # the command says what is wrong with it
        return upload.size or 0
    return size


@page
def draft(request: HttpRequest, token: str) -> HttpResponse:
    """Show what was understood, or how far the product is; take the corrections."""
    if reason := refuse_reason(request):
        return render(request, "console/new.html", {"title": TITLE, "reason": reason}, status=403)
    current = find_draft(token)
    if current is None:
        raise Http404("There is no such draft any more: begin again with the file.")
    return take(request, current) if request.method == "POST" else show(request, current)


def take(request: HttpRequest, draft: Draft) -> HttpResponse:
    """Take the corrections, and read the files again or write the app."""
    wishes = read_wishes(request.POST, draft.wishes, draft.plan)
    wants_write = request.POST.get("action") == WRITE
    if wants_write and (refusal := refuse_wishes(wishes)):
        messages.error(request, refusal)
        wants_write = False
    if draft.is_running or (draft.step == WRITE and draft.outcome.get("problem", "") is None):
        return go_to(draft)
    draft.choose(wishes)
    draft.run(WRITE if wants_write else PLAN)
    return go_to(draft)


def refuse_wishes(wishes: Wishes) -> str:
    """Say which choice is missing for the command; it says itself whether a name is free."""
    if not (wishes.name and wishes.name.isidentifier() and wishes.name.isascii()):
        return (
            "The name has lower case letters, digits and single underscores, a letter first, as heart_attack."
        )
    return "" if is_chosen(wishes) else "Choose what is predicted."


def is_chosen(wishes: Wishes) -> bool:
    """Return True if a column to predict is chosen, or none is wanted."""
    return bool(wishes.label) or wishes.task == WITHOUT_LABEL


def show(request: HttpRequest, draft: Draft) -> HttpResponse:
    """Show a draft in its state."""
    wishes, plan, outcome = draft.wishes, draft.plan, draft.outcome
    is_written = outcome.get("step") == WRITE and outcome["problem"] is None
    if is_written:
        return show_start(request, draft, wishes)
    if draft.is_running:
        return render(request, "console/new_wait.html", describe_wait(draft))
    if not outcome and draft.step == PLAN:
        draft.run(PLAN)  # the process ended meanwhile
        return render(request, "console/new_wait.html", describe_wait(draft))
    problem = outcome.get("problem") or ""
    if not outcome:
        problem = (
            f"Writing was interrupted. If {wishes.name}/ stands beside manage.py, remove it with "
            f"./dev rmproduct {wishes.name} --drop-data, then create the product again."
        )
    return render(request, "console/new_plan.html", describe_plan(draft, wishes, plan, problem))


def describe_wait(draft: Draft) -> dict[str, Any]:
    """Describe what a draft waits for."""
    names = ", ".join(draft.file_names)
    sentence = (
        f"Reading {names}." if draft.step == PLAN else f"Writing {draft.wishes.name}/ and loading {names}."
    )
    return {"title": TITLE, "sentence": sentence, "draft": draft, "wishes": draft.wishes}


def describe_plan(draft: Draft, wishes: Wishes, plan: dict[str, Any], problem: str) -> dict[str, Any]:
    """Describe what was understood, for the form that corrects it."""
    columns = list_columns(plan)
    rows = [
        {
            "key": key,
            "name": name,
            "is_used": column["role"] != "left out",
            "is_fixed": column["role"] in ("key", "label", "time") or not column["distinct"],
            **column,
        }
        for key, column, name in columns[:MOST_COLUMNS]
    ]
    refusals = [problem, plan.get("refusal", "")]
    return {
        "title": TITLE,
        "draft": draft,
        "wishes": wishes,
        "plan": plan,
        "product_plan": plan.get("product"),
        "columns": rows,
        "more": len(columns) - len(rows),
        "choices": [(name, column["header"] or name) for _, column, name in columns],
        "is_wide": len(columns) > MOST_COLUMNS,
        "unclear_date": next(filter(None, (table["unclear_date"] for table in plan.get("tables", ()))), ""),
        "is_workbook": any(name.lower().endswith((".xlsx", ".xlsm", ".ods")) for name in draft.file_names),
        "sentences": [to_words(refusal) for refusal in refusals if refusal],
        "remarks": [to_words(remark) for table in plan.get("tables", ()) for remark in table["remarks"]],
        "is_chosen": is_chosen(wishes),
        "nothing": NOTHING,
        "tasks": TASKS,
        "command": wishes.render_command(draft.file_names),
    }


def show_start(request: HttpRequest, draft: Draft, wishes: Wishes) -> HttpResponse:
    """Show how far the start of a written product is; go on to its form when a version serves."""
    answer = ask(request, "NewProduct", {"name": wishes.name})
    product = (answer.data or {}).get("product")
    if product and product["champion"]:
        target = reverse("console:try", args=[wishes.name])
        is_part = getattr(request, "htmx", False)
        return HttpResponse(headers={"HX-Redirect": target}) if is_part else HttpResponseRedirect(target)
    problems = [problem.message for problem in answer.problems if problem.code != "UNKNOWN_PRODUCT"]
    context = {
        "title": TITLE,
        "draft": draft,
        "wishes": wishes,
        "sentence": "" if product else next(iter(problems), ""),
        "is_served": bool(product),
        "build": next(iter(product["builds"]["nodes"]), None) if product else None,
        "is_start": True,
    }
    return render(request, "console/new_wait.html", context)


@page
@require_POST
def discard(request: HttpRequest, token: str) -> HttpResponse:
    """Delete a draft."""
    current = None if refuse_reason(request) else find_draft(token)
    if current and not current.is_running:
        current.discard()
        messages.success(request, "The files are deleted; nothing was written.")
    return HttpResponseRedirect(reverse("console:new"))


def go_to(draft: Draft) -> HttpResponse:
    """Redirect to the page of a draft."""
    return HttpResponseRedirect(reverse("console:draft", args=[draft.token]))


urls = [
    path("new/", new, name="new"),
    path("new/upload/", upload, name="upload"),
    path("new/<str:token>/", draft, name="draft"),
    path("new/<str:token>/discard/", discard, name="discard"),
]
