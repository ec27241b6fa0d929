"""Logging in and out of pages: by a password, or through the identity provider."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from store.access import identities, login_limits
from store.access.code_flow import LONGEST_LOGIN, ProviderLogin, accepts_logins, logout_url
from store.exceptions import StoreError, Unavailable

#: The cookie of a browser in which a user has logged in with a password.
BROWSER_COOKIE = "exemplar_browser"
#: What the names of cookies of logins that have begun at the provider start with.
LOGIN_COOKIE = "exemplar_login_"
#: The backend of logins through the identity provider.
BACKEND = "store.access.backends.IdentityProviderBackend"
TOO_MANY = "Too many logins have failed. Wait %d minutes, then try again."


class LoginForm(AuthenticationForm):
    """Django's form, which refuses attempts after too many failures before it looks at the password."""

    #: True for an attempt that came too early.
    is_limited = False

    def clean(self) -> dict[str, Any]:
        if "username" not in self.cleaned_data or "password" not in self.cleaned_data:
            return self.cleaned_data
        attempt = attempt_of(self.request, self.cleaned_data["username"])
        if not login_limits.begin(attempt):
            self.is_limited = True
            raise forms.ValidationError(TOO_MANY % (login_limits.WINDOW // 60), code="limited")
        cleaned = super().clean()
        login_limits.forgive(attempt)
        return cleaned


def attempt_of(request: HttpRequest | None, username: str) -> login_limits.Attempt:
    """Get the attempt to log in that a request makes; a trusted proxy has said whose address it is."""
    if request is None:
        return login_limits.Attempt(username, "")
    return login_limits.Attempt(
        username, request.META.get("REMOTE_ADDR", ""), request.COOKIES.get(BROWSER_COOKIE)
    )


class Login(LoginView):
    """The page for logging in; also the admin's."""

    template_name = "project/login.html"
    authentication_form = LoginForm

    def get_default_redirect_url(self) -> str:
        return resolve_url("/admin/" if self.request.path.startswith("/admin/") else "/")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        following = self.get_redirect_url() or self.get_default_redirect_url()
        context = {"title": "Log in", "next_query": urlencode({"next": following}), **provider_context()}
        if self.request.user.is_authenticated:
            context["refusal"] = (
                f"You are logged in as {self.request.user.get_username()}, who may not open this page. "
                "Log in as somebody else, or ask an administrator for the permission."
            )
        return {**super().get_context_data(**kwargs), **context, "next": following}

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        response.set_cookie(
            BROWSER_COOKIE,
            login_limits.write_browser(form.get_user().get_username()),
            max_age=login_limits.KNOWN_DAYS * 86_400,
            path="/",
            secure=self.request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if isinstance(form, LoginForm) and form.is_limited:
            response.status_code = 429
            response["Retry-After"] = str(login_limits.WINDOW)
        return response


def provider_context() -> dict[str, Any]:
    """Get what templates know of the identity provider: what people call it, if they log in through it."""
    return {"provider": settings.EXEMPLAR_OIDC_LABEL if accepts_logins() else ""}


@never_cache
@require_GET
def log_in_at_provider(request: HttpRequest) -> HttpResponse:
    """Send the browser to the identity provider."""
    following = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(following, {request.get_host()}, request.is_secure()):
        following = "/"
    login = ProviderLogin(redirect_uri=request.build_absolute_uri(reverse("login-callback")), next=following)
    try:
        response = HttpResponseRedirect(login.authorization_url())
    except StoreError as error:
        return refuse_login(request, error, following)
    response.set_cookie(
        cookie_of(login.state),
        login.sign(),
        max_age=LONGEST_LOGIN,
        path=reverse("login"),
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


@never_cache
@require_GET
def finish_login(request: HttpRequest) -> HttpResponse:
    """Log the person in whom the identity provider has sent back."""
    cookie, following = cookie_of(request.GET.get("state", "")), "/"
    try:
        login = ProviderLogin.read(request.COOKIES.get(cookie))
        following = login.next
        claims = login.finish(request.GET.dict())
        user = identities.find_user(claims)
    except StoreError as error:
        response = refuse_login(request, error, following)
    else:
        identities.record_login(user, claims)
        # Who was logged in before may have been the same person, in other groups: nothing of that login stays.
        request.session.flush()
        auth.login(request, user, backend=BACKEND)
        request.session[identities.SESSION_GROUPS] = claims.groups
        request.session.set_expiry(settings.EXEMPLAR_OIDC_SESSION_HOURS * 3_600)
        response = HttpResponseRedirect(following)
    response.delete_cookie(cookie, path=reverse("login"), samesite="Lax")
    return response


def cookie_of(state: str) -> str:
    """Get the name of the cookie of one login, as several tabs may log in at once."""
    return LOGIN_COOKIE + "".join(filter(str.isalnum, state[:24]))


def refuse_login(request: HttpRequest, error: StoreError, following: str) -> HttpResponse:
    """Render why a login through the provider failed, with the link to begin again."""
    context = {
        "title": "You are not logged in",
        "refusal": error.message,
        "links": [{"text": "Begin again", "url": f"{reverse('login')}?{urlencode({'next': following})}"}],
    }
    status = 503 if isinstance(error, Unavailable) else 403
    return render(request, "project/login.html", context, status=status)


class Logout(LogoutView):
    """Log out here; the page afterwards has a link that ends the session at the provider, too."""

    template_name = "project/login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.by_provider = identities.SESSION_GROUPS in request.session
        return super().post(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        login = self.request.build_absolute_uri(reverse("login"))
        links = [{"text": "Log in again", "url": reverse("login")}]
        if self.by_provider and (url := logout_url(login)):
            links.insert(0, {"text": f"Log out of {settings.EXEMPLAR_OIDC_LABEL}, too", "url": url})
        notice = "You are logged out of Exemplar on this browser."
        return {**super().get_context_data(**kwargs), "title": "Logged out", "notice": notice, "links": links}
