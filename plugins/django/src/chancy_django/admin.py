"""Jobs, queues and workers in Django's admin: to look at, with actions for those who have the permission."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import OperationalError, connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property

from chancy import Chancy, ChancyError
from chancy_django.applications import first
from chancy_django.models import FinishedJob, Job, Queue, Worker

# Nobody leafs through more, and counting a million rows takes longer than anybody wants to wait.
COUNTED_MAX: Final = 1000
# A look must not weigh on the database that the jobs need.
LOOK_MS: Final = 3_000

# As in the dashboard.
REVEAL: Final = "chancy_django.reveal_finishedjob"


class BoundedPaginator(Paginator):
    """Pages of the newest rows, which are never counted beyond a thousand."""

    @cached_property
    def count(self) -> int:
        """How many there are, or a thousand."""
        return len(self.object_list.values_list("pk", flat=True)[:COUNTED_MAX])


class LookedAt(admin.ModelAdmin):
    """Rows that can be looked at, and not be written."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = COUNTED_MAX
    # Only what has an index may be sorted by: the order in which they were pushed.
    sortable_by: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- as Django asks
        """Nobody adds any here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody changes any here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody deletes any here, but by an action."""
        return False

    def may(self, request: HttpRequest, action: str) -> bool:
        """Whether somebody has the permission for an action."""
        meta = self.opts
        return bool(request.user.has_perm(f"{meta.app_label}.{action}_{meta.model_name}"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, unless it takes too long to be found."""
        if request.method != "GET":
            # An action, on connections of Chancy's own.
            return super().changelist_view(request, extra_context)
        alias = first().settings.database
        try:
            with transaction.atomic(using=alias):
                with connections[alias].cursor() as cursor:
                    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(LOOK_MS)])
                response = super().changelist_view(request, extra_context)
                if hasattr(response, "render"):
                    response.render()
                return response
        except OperationalError as error:
            if not request.GET:
                raise
            told = f"That took longer than {LOOK_MS / 1000:g} seconds to find ({error}). This is the list without it."
            messages.warning(request, told)
            return HttpResponseRedirect(request.path)

    def _act(self, request: HttpRequest, act: Callable[[Chancy], Any], done: str) -> None:
        try:
            told = act(first().chancy)
        except ChancyError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done.format(told))


class _Jobs(LookedAt):
    """Jobs, found by their id or the whole name of their function."""

    list_display: tuple[str, ...] = ("id", "func", "queue", "state", "attempts", "created_at")
    list_filter: tuple[Any, ...] = ("state",)
    # A list shows none of what may be large.
    large: tuple[str, ...] = ("kwargs", "meta", "errors")
    # What may be somebody's secret, and is for those who may reveal it. The dashboard shows others the rest of it.
    secret: Final = ("kwargs", "meta", "result")
    search_fields = ("func",)
    search_help_text = "An id, or the whole name of a function, such as shop.tasks.pay."

    def get_queryset(self, request: HttpRequest) -> Any:
        """The jobs; for a list, without what may be large."""
        found = super().get_queryset(request)
        listed = str(getattr(request.resolver_match, "url_name", "")).endswith("_changelist")
        return found.defer(*self.large) if listed else found

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002 -- as Django asks
        """What the page of a job does not show to this visitor."""
        return None if request.user.has_perm(REVEAL) else self.secret

    def get_search_results(self, _: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """The job with this id, or those of this function."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=uuid.UUID(term)), False
        except ValueError:
            return queryset.filter(func=term), False


@admin.register(Job)
class JobAdmin(_Jobs):
    """Jobs that wait or run."""

    list_display = ("id", "func", "queue", "state", "priority", "attempts", "created_at", "scheduled_at", "worker")
    actions = ("cancel",)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may cancel jobs."""
        return self.may(request, "cancel")

    @admin.action(description="Cancel the selected jobs", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: Any) -> None:
        """Cancel jobs: at once if they wait; if they run, their workers are told."""
        ids, reason = _ids(queryset), f"Cancelled by {request.user.get_username()} in the admin."
        self._act(
            request,
            lambda chancy: _told(chancy.sync_cancel_jobs(ids, reason=reason)),
            "{} jobs cancelled, or told to stop.",
        )


@admin.register(FinishedJob)
class FinishedJobAdmin(_Jobs):
    """Jobs that have ended."""

    large = ("kwargs", "meta", "errors", "result")
    list_display = ("id", "func", "queue", "state", "error_type", "attempts", "finished_at", "run_s")
    actions = ("retry",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may run jobs again."""
        return self.may(request, "retry")

    @admin.action(description="Run the selected jobs again", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: Any) -> None:
        """Run finished jobs again."""
        ids = _ids(queryset)
        self._act(request, lambda chancy: len(chancy.sync_retry_jobs(ids)), "{} jobs run again.")


@admin.register(Queue)
class QueueAdmin(LookedAt):
    """Queues."""

    list_display = ("name", "state", "resume_at", "concurrency", "executor", "rate_limit", "global_concurrency")
    actions = ("pause", "resume")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may pause and resume queues."""
        return self.may(request, "pause")

    @admin.action(description="Pause the selected queues", permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: Any) -> None:
        """Stop claiming from queues."""
        by = request.user.get_username()
        self._act(
            request, lambda chancy: _each(queryset, lambda name: chancy.sync_pause_queue(name, by=by)), "{} paused."
        )

    @admin.action(description="Resume the selected queues", permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: Any) -> None:
        """Go on claiming from queues."""
        self._act(request, lambda chancy: _each(queryset, chancy.sync_resume_queue), "{} resumed.")


@admin.register(Worker)
class WorkerAdmin(LookedAt):
    """Workers."""

    list_display = ("name", "alive", "running", "started_at", "seen_at")
    actions = None


def _ids(queryset: Any) -> list[uuid.UUID]:
    # "Select all 1000" means those that were counted, and gives Django's action a queryset of however many there are.
    return list(queryset.values_list("pk", flat=True)[:COUNTED_MAX])


def _told(cancelled: Iterable[Any]) -> int:
    return sum(one is not None for one in cancelled)


def _each(queryset: Any, act: Callable[[str], Any]) -> int:
    names = list(queryset.values_list("pk", flat=True)[:COUNTED_MAX])
    for name in names:
        act(name)
    return len(names)
