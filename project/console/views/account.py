"""The pages about the person: permissions, tokens, own feedback, the password; and the audit log for administrators."""

from typing import Any

from django import forms
from django.contrib import auth, messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from store.access.admin import record_change
from store.access.audit import DESCRIPTIONS
from store.access.middleware import actor_of
from store.access.permissions import TITLES, Permission

from ..api import Answer, JSONObject, Refused, ask
from ..pages import DENIED, page, render
from ..paging import list_pages, page_of

#: Rows of a page of own feedback, and of the audit log.
FEEDBACK_ROWS, AUDIT_ROWS = 10, 50
#: The acts of the audit log, in words.
ACTS = {str(act): str(act).replace("_", " ").capitalize() for act in DESCRIPTIONS}
#: Values of details that say nothing.
EMPTY = ("", "{}", "[]", "null")
#: The states of a person's own feedback, as the API names them, in words.
STATUSES = {"ACTIVE": "counts", "SUPERSEDED": "was replaced", "RETRACTED": "was taken back"}


@page
def account(request: HttpRequest) -> HttpResponse:
    """Show who the caller is, and what belongs to the caller."""
    return show_account(request)


def show_account(request: HttpRequest, **context: Any) -> HttpResponse:
    """Show the account with the outcome of a form."""
    answer = ask(request, "Account", page_of(request, FEEDBACK_ROWS))
    # Who gives feedback and may view nothing sees the own words, and not what they are about.
    if answer.data is None or any(problem.code not in DENIED for problem in answer.problems):
        raise Refused(answer.problems)
    viewer = answer.data["viewer"]
    administered = [each["product"] for each in viewer["permissions"] if "ADMINISTER" in each["permissions"]]
    own = {name for each in viewer["permissions"] for name in each["permissions"]}
    user = request.user
    return render(
        request,
        "console/account.html",
        {
            "title": "Your account",
            "me": viewer,
            "tokens": viewer["tokens"]["nodes"],
            "feedback": viewer["feedback"],
            "pages": list_pages(viewer["feedback"]["pageInfo"]),
            "administered": administered,
            # Who administers nothing makes own tokens, for what he may.
            "choosable": administered or [each["product"] for each in viewer["permissions"]],
            "titles": TITLES,
            "choosable_titles": {
                name: title for name, title in TITLES.items() if administered or name in own
            },
            "makes_tokens": user.is_authenticated and bool(own),
            "has_password": user.is_authenticated and user.has_usable_password(),
            "is_staff": user.is_authenticated and (user.is_staff or bool(administered)),
            "statuses": STATUSES,
            "form": {"name": viewer["name"] or "", "note": "", "days": "90"},
            "url": request.build_absolute_uri("/graphql/"),
            **context,
        },
    )


@page
@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token, and show its secret this once."""
    form = {name: request.POST.get(name, "").strip() for name in ("name", "note", "days")}
    if "name" not in request.POST:  # an own one
        form["name"] = actor_of(request).name or ""
    permissions = [name for name in request.POST.getlist("permissions") if name in TITLES]
    products = request.POST.getlist("products")
    faults = check_token(form, permissions)
    if faults:
        return show_account(request, form=form, faults=faults, chosen=permissions, chosen_products=products)
    wanted = {
        "name": form["name"],
        "permissions": permissions,
        "note": form["note"],
        **({"products": products} if products else {}),
        **({"days": int(form["days"])} if form["days"] else {}),
    }
    answer = ask(request, "CreateToken", {"input": wanted})
    if payload := (answer.data or {}).get("createToken"):
        return show_account(request, made=payload)
    return show_account(
        request, form=form, chosen=permissions, chosen_products=products, **sort_problems(answer, form)
    )


def check_token(form: dict[str, str], permissions: list[str]) -> dict[str, str]:
    """Find what is wrong with the form before the API is asked, by field."""
    faults = {}
    if not form["name"]:
        faults["name"] = "Name the user or the program that the token stands for."
    if not permissions:
        faults["permissions"] = "Choose at least one permission: a token that may do nothing is of no use."
    if form["days"] and not (form["days"].isascii() and form["days"].isdecimal() and len(form["days"]) < 6):
        faults["days"] = "Give a whole number of days, or nothing for no end."
    return faults


def sort_problems(answer: Answer, form: dict[str, str]) -> dict[str, Any]:
    """Sort problems into those of a field and others."""
    fields = {*form, "permissions", "products"}
    by_field = {problem.argument[-1]: problem.message for problem in answer.problems if problem.argument}
    others = [problem for problem in answer.problems if not set(problem.argument[-1:]) & fields]
    return {
        "faults": {name: text for name, text in by_field.items() if name in fields},
        "problems": others,
    }


@page
@require_POST
def rotate_token(request: HttpRequest, prefix: str) -> HttpResponse:
    """Replace a token by a new one, and show its secret this once."""
    hours = request.POST.get("hours", "24")
    overlap = int(hours) if hours.isascii() and hours.isdecimal() and len(hours) < 6 else 0
    answer = ask(request, "RotateToken", {"input": {"prefix": prefix, "overlapHours": overlap}})
    payload = (answer.data or {}).get("rotateToken")
    return show_account(request, made=payload, replaced=prefix, overlap=overlap, problems=answer.problems)


@page
@require_POST
def revoke_token(request: HttpRequest, prefix: str) -> HttpResponse:
    """Revoke a token for good."""
    answer = ask(request, "RevokeToken", {"input": {"prefix": prefix}})
    if answer.problems:
        return show_account(request, problems=answer.problems)
    messages.success(request, f"The token {prefix} is revoked: nobody gets in with it any more.")
    return HttpResponseRedirect(reverse("console:account"))


@sensitive_post_parameters()
@page
def password(request: HttpRequest) -> HttpResponse:
    """Change the caller's own password; other sessions of the same person end."""
    user = request.user
    if not isinstance(user, AbstractBaseUser) or not user.has_usable_password():
        messages.error(request, "You have no password here: you log in through your identity provider.")
        return HttpResponseRedirect(reverse("console:account"))
    form = PasswordChangeForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        record_change([user], "changed")
        auth.update_session_auth_hash(request, user)
        messages.success(request, "Your password is changed. Your sessions on other browsers have ended.")
        return HttpResponseRedirect(reverse("console:account"))
    fields = [describe_field(form[name]) for name in ("old_password", "new_password1", "new_password2")]
    return render(request, "console/password.html", {"title": "Change your password", "fields": fields})


def describe_field(field: forms.BoundField) -> dict[str, Any]:
    """Describe a field of the password's form."""
    labels = {"old_password": "Password until now", "new_password1": "New password"}
    is_old = field.name == "old_password"
    return {
        "name": field.name,
        "label": labels.get(field.name, "New password, once more"),
        "faults": list(field.errors),
        "autocomplete": "current-password" if is_old else "new-password",
    }


@page
def audit(request: HttpRequest) -> HttpResponse:
    """Show the audit log to administrators: of all products, or of the chosen one."""
    chosen = {
        name: request.GET.get(name, "").strip() for name in ("act", "author", "product", "since", "until")
    }
    wanted: dict[str, Any] = {
        **({"acts": [chosen["act"]]} if chosen["act"] in ACTS else {}),
        **({"authors": [chosen["author"]]} if chosen["author"] else {}),
        **({"product": chosen["product"]} if chosen["product"] else {}),
        **{name: f"{chosen[name]}T00:00:00Z" for name in ("since", "until") if chosen[name]},
    }
    answer = ask(request, "Audit", {**page_of(request, AUDIT_ROWS), "filter": wanted})
    log = (answer.data or {}).get("auditLog")
    if answer.problems and not may_administer_any(request):
        raise Refused(answer.problems)
    context = {
        "title": "Audit log",
        "entries": [drop_empty_details(entry) for entry in log["nodes"]] if log else [],
        "pages": list_pages(log["pageInfo"]) if log else {},
        "problems": answer.problems,
        "chosen": chosen,
        "acts": ACTS,
    }
    return render(request, "console/audit.html", context)


def may_administer_any(request: HttpRequest) -> bool:
    """Return True for administrators of some product, who are asked which one they mean."""
    return actor_of(request).may_somewhere(Permission.ADMINISTER)


def drop_empty_details(entry: JSONObject) -> JSONObject:
    """Leave out the details of an entry that say nothing."""
    return {**entry, "details": [each for each in entry["details"] if each["value"] not in EMPTY]}


urls = [
    path("account/", account, name="account"),
    path("account/tokens/", create_token, name="create_token"),
    path("account/tokens/<str:prefix>/rotate/", rotate_token, name="rotate_token"),
    path("account/tokens/<str:prefix>/revoke/", revoke_token, name="revoke_token"),
    path("account/password/", password, name="password"),
    path("audit/", audit, name="audit"),
]
