"""Commands about single memories: add, find, read, change and delete them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from memstrata.errors import NotFound
from memstrata.faces.cli import show
from memstrata.faces.cli.options import (
    AllUsers,
    AsOf,
    Call,
    Hops,
    Id,
    KnownAt,
    Latency,
    Limit,
    Precise,
    Shared,
    Where,
    attributes_of,
    command,
    given_text,
    json_option,
    moment_option,
)
from memstrata.types import KEEP, Budget, Scope

Text = Annotated[str | None, typer.Argument(help="The text; standard input when left out, or -.", show_default=False)]
Query = Annotated[str, typer.Argument(help="What to look for, in words.", show_default=False)]
At = Annotated[str | None, typer.Option("--at", help="When it happened: 2024-05-20T18:05:00+02:00.")]
Speaker = Annotated[str | None, typer.Option("--speaker", help="Who said it.")]
Role = Annotated[str | None, typer.Option("--role", help="user, assistant, tool, …")]
Kind = Annotated[str | None, typer.Option("--kind", help="turn, fact, summary, profile, skill, document, …")]
Attribute = Annotated[
    list[str] | None,
    typer.Option("--attribute", "-a", metavar="NAME=VALUE", help="The value is JSON or text; repeatable."),
]
Source = Annotated[list[str] | None, typer.Option("--source", metavar="ID", help="What it was made from; repeatable.")]
ValidFrom = Annotated[str | None, typer.Option("--valid-from", help="True from then on.")]
ValidUntil = Annotated[str | None, typer.Option("--valid-until", help="True until then.")]
Expires = Annotated[str | None, typer.Option("--expires", help="Delete it then: a time, or 30d, 12h from now.")]

Key = Annotated[str, typer.Argument(help="The name of what is to be done.", show_default=False)]

NOT_YOURS: Final = 4  # the exit code of a claim that somebody else has, or that is done
FEEDBACK_DEPTH: Final = 100  # hits among which the memory is looked for


@command("add", "remember")
def add(
    call: Call,
    text: Text = None,
    at: At = None,
    speaker: Speaker = None,
    role: Role = None,
    kind: Kind = None,
    attribute: Attribute = None,
    key: Annotated[str | None, typer.Option("--key", help="Adding it twice under one key adds it once.")] = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
    expires: Expires = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="ID", help="What it was made from; may be repeated.")
    ] = None,
    contributor: Annotated[str | None, typer.Option("--contributor", help="Who brought it in.")] = None,
    resource: Annotated[str | None, typer.Option("--resource", help="The file or page it is from.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Only if nothing has its key, or its words.")] = False,
) -> None:
    """Keep a text, given here or on standard input."""
    content = given_text(text)
    attributes = attributes_of(attribute or [])
    event: dict[str, Any] = {
        "at": moment_option(at, "--at"),
        "expires_at": moment_option(expires, "--expires"),
    }  # Any: times
    event |= {"valid_from": moment_option(valid_from, "--valid-from")}
    event |= {"valid_until": moment_option(valid_until, "--valid-until")}
    if kind is not None:
        event["kind"] = kind
    with call.opened(create=True) as memory:
        receipt = memory.add(
            content, speaker=speaker, role=role, attributes=attributes, key=key, sources=source or (),
            contributor=contributor, resource=resource, once=once, scope=call.scope, **event,
        )  # fmt: skip
    call.answer(receipt, f"kept {'before as' if receipt.repeated else 'as'} {receipt.id}")


@command("claim")
def claim(
    call: Call,
    key: Key,
    holder: Annotated[str | None, typer.Option("--holder", help="Who claims; each call is another if none.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="How long it is yours.")] = 60.0,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for one that is taken.")] = 0.0,
) -> None:
    """Claim what a key stands for, so that nobody else does it meanwhile.

    Exits with 0 when it is yours: do it, and `memstrata add --key KEY` what came of it. Exits with 4 when it is done,
    and shows the memory, or taken by somebody else."""
    with call.opened(create=True) as memory:
        found = memory.claim(key, holder=holder, seconds=seconds, wait=wait, scope=call.scope)
    until = "" if found.until is None else f" until {found.until.isoformat(timespec='seconds')}"
    said = {"yours": f"yours{until}, as {found.holder}", "taken": f"taken by {found.holder}{until}", "done": "done"}
    call.answer(found, said[found.state])
    if found.memory is not None and not call.json:
        show.say(show.details(found.memory))
    if found.state != "yours":
        raise typer.Exit(NOT_YOURS)


@command("release")
def release(call: Call, key: Key, holder: Annotated[str, typer.Option("--holder", help="Who claimed it.")]) -> None:
    """Give up a claim before its time."""
    with call.opened() as memory:
        held = memory.release(key, holder=holder, scope=call.scope)
    call.answer({"released": held}, "released" if held else "it was not held by this holder any more")


@command("search", searches=True)
def search(
    call: Call,
    query: Query,
    limit: Limit = 10,
    latency: Latency = None,
    filter: Where = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    hops: Hops = 1,
    precise: Precise = False,
    shared: Shared = False,
) -> None:
    """Find the memories that answer a question.

    What holds now comes before what it replaced, which is marked."""
    filters = json_option(filter, "--filter")
    asked = given_text(query)
    with call.opened() as memory:
        found = memory.search(
            asked, limit=limit, filters=filters, as_of=moment_option(as_of, "--as-of"),
            known_at=moment_option(known_at, "--known-at"), hops=hops, precise=precise, shared=shared,
            latency_ms=latency, scope=call.scope,
        )  # fmt: skip
    if call.json:
        show.print_json(found)
    elif found:
        show.say(show.hits(found))
    else:
        _nothing_in(call.scope)


def _nothing_in(scope: Scope) -> None:
    hint = "`memstrata stats` says what there is, and `memstrata explain` why a search finds what it finds"
    if scope.user_id is None:
        hint = "no --user was given, so only shared memory was looked at; " + hint
    show.nothing(f"nothing found in: {show.scope_line(scope)}", hint)


@command("context", "recall", searches=True)
def context(
    call: Call,
    query: Query,
    budget: Annotated[int, typer.Option("--budget", "-b", help="At most so many tokens.")] = 2_000,
    latency: Latency = None,
    filter: Where = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    hops: Hops = 1,
    precise: Precise = False,
    shared: Shared = False,
) -> None:
    """Pack what a model should read before it answers.

    Everything there is when it fits the budget, or else cited passages; says what was left out and what it cost."""
    filters = json_option(filter, "--filter")
    asked = given_text(query)
    with call.opened() as memory:
        found = memory.context(
            asked, budget=Budget(budget, latency), filters=filters, as_of=moment_option(as_of, "--as-of"),
            known_at=moment_option(known_at, "--known-at"), hops=hops, precise=precise, shared=shared,
            scope=call.scope,
        )  # fmt: skip
    if call.json:
        show.print_json(found)
    elif found.passages:
        show.say(*show.context(found))
    elif any(left.reason == "budget" for left in found.left_out):
        show.nothing(
            f"a budget of {budget:,} tokens has no room for one passage of what was found ({len(found.left_out)})",
            "give more with --budget",
        )
    else:
        _nothing_in(call.scope)


@command("get")
def get(call: Call, id: Id) -> None:
    """Show one memory with everything known of it."""
    with call.opened() as memory:
        found = memory.get(id, scope=call.scope)
    show.print_json(found) if call.json else show.say(show.details(found))


@command("list")
def list_(
    call: Call,
    limit: Limit = 50,
    filter: Where = None,
    newest: Annotated[bool, typer.Option("--newest-first", help="The latest first.")] = False,
    all_users: AllUsers = False,
) -> None:
    """List memories in the order of their time."""
    filters = json_option(filter, "--filter")
    whose = call.of_everyone() if all_users else call
    with whose.opened() as memory:
        found = list(memory.list(limit=limit, filters=filters, newest_first=newest, scope=whose.scope))
    if call.json:
        show.print_json(found)
    elif found:
        show.say(show.memories(found))
        if len(found) == limit:
            show.say(show.text(f"the {'last' if newest else 'first'} {limit}; --limit shows more", "dim"))
    else:
        show.nothing(
            f"no memories in: {show.scope_line(whose.scope)}",
            "`memstrata add` keeps one, and `memstrata list --all-users` shows everyone's",
        )


@command("update")
def update(
    call: Call,
    id: Id,
    text: Annotated[str | None, typer.Option("--text", help="The new text; - reads standard input.")] = None,
    at: At = None,
    speaker: Speaker = None,
    role: Role = None,
    kind: Kind = None,
    attribute: Attribute = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
    expires: Expires = None,
    clear: Annotated[
        list[str] | None, typer.Option("--clear", metavar="PROPERTY", help="Take it away: speaker, expires_at, …")
    ] = None,
    expected_version: Annotated[
        int | None, typer.Option("--expected-version", help="Only if it still has this version.")
    ] = None,
) -> None:
    """Write a new version of a memory.

    What is not named stays as it is; --attribute replaces all attributes."""
    changes: dict[str, Any] = {  # Any: values of properties
        "text": None if text is None else given_text(text), "speaker": speaker, "role": role, "kind": kind,
        "at": moment_option(at, "--at"), "attributes": attributes_of(attribute) if attribute else None,
        "valid_from": moment_option(valid_from, "--valid-from"), "expires_at": moment_option(expires, "--expires"),
        "valid_until": moment_option(valid_until, "--valid-until"),
    }  # fmt: skip
    clearable = set(changes) - {"text", "kind", "at"}
    unknown = sorted(set(clear or []) - clearable)
    if unknown:
        raise typer.BadParameter(f"--clear takes {', '.join(sorted(clearable))}, not {unknown[0]!r:.80}")
    given: dict[str, Any] = {name: KEEP if value is None else value for name, value in changes.items()}  # Any: as above
    given |= dict.fromkeys(clear or [])
    with call.opened() as memory:
        changed = memory.update(id, expected_version=expected_version, scope=call.scope, **given)
    call.answer(changed, f"version {changed.version} of {changed.id}")


@command("merge")
def merge(
    call: Call,
    ids: Annotated[list[str], typer.Argument(help="The ids of two or more memories.", show_default=False)],
    text: Annotated[
        str | None, typer.Option("--text", help="The text of the one; theirs joined when left out.")
    ] = None,
) -> None:
    """Make one memory out of several."""
    with call.opened() as memory:
        merged = memory.merge(ids, text=KEEP if text is None else given_text(text), scope=call.scope)
    call.answer(merged, f"merged {len(set(ids))} memories into {merged.id}")


@command("delete", "forget")
def delete(call: Call, id: Id) -> None:
    """Delete a memory with all its versions."""
    with call.opened() as memory:
        receipt = memory.delete(id, scope=call.scope)
    call.answer(receipt, "deleted; its words leave the files with the next purge")


@command("delete-all")
def delete_all(
    call: Call,
    filter: Where = None,
    all_users: AllUsers = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete every memory of a scope.

    With --filter only those that it passes. Asks first, unless --yes is given."""
    filters = json_option(filter, "--filter")
    whose = call.of_everyone() if all_users else call
    if whose.scope == Scope() and filters is None:
        raise typer.BadParameter("say whose: --user NAME or another part of the scope, a --filter, or --all-users")
    if not yes:
        which = "every memory" if filters is None else "every memory that the filter passes"
        typer.confirm(f"Delete {which} of: {show.safe(show.scope_line(whose.scope))}?", abort=True, err=True)
    with whose.opened() as memory:
        receipt = memory.delete_all(filters=filters, scope=whose.scope)
    call.answer(receipt, f"deleted {receipt.memories:,} memories; `memstrata purge` takes them out of the files")


@command("history")
def history(call: Call, id: Id) -> None:
    """Show every version of a memory, oldest first."""
    with call.opened() as memory:
        found = memory.history(id, scope=call.scope)
    show.print_json(found) if call.json else show.say(show.versions(found))


@command("changes")
def changes(
    call: Call,
    after: Annotated[int | None, typer.Option("--after", help="From this position on; from now on if none.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many at a time.")] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as changes are made, until interrupted.")
    ] = False,
    filter: Where = None,
) -> None:
    """Show what has changed, oldest first, and the position to go on from."""
    filters = json_option(filter, "--filter")
    with call.opened() as memory:
        found = memory.changes(after, limit=limit, filters=filters, scope=call.scope)
        show.print_json(found) if call.json else show.say(*show.changes(found))
        while follow:
            if memory.wait(found.position):
                found = memory.changes(found.position, limit=limit, filters=filters, scope=call.scope)
                if found.changes:
                    show.print_json(found) if call.json else show.say(*show.changes(found))


@command("feedback", searches=True)
def feedback(
    call: Call,
    query: Query,
    id: Id,
    useful: Annotated[bool, typer.Option("--useful/--not-useful", help="Whether it was of use.")],
) -> None:
    """Say whether a memory that a search finds was of use, so that later searches learn from it."""
    with call.opened() as memory:
        hits = memory.search(given_text(query), limit=FEEDBACK_DEPTH, scope=call.scope)
        hit = next((hit for hit in hits if hit.memory.id == id), None)
        if hit is None:
            raise NotFound(f"the search does not find {id!r:.80}; `memstrata explain` says why")
        receipt = memory.feedback(hit, useful=useful, scope=call.scope)
    call.answer(receipt, "noted")


@command("explain", searches=True)
def explain(
    call: Call,
    query: Query,
    id: Annotated[str | None, typer.Option("--id", help="Say also what became of this memory.")] = None,
    limit: Limit = 10,
    latency: Latency = None,
    filter: Where = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    hops: Hops = 1,
    precise: Precise = False,
    shared: Shared = False,
) -> None:
    """Say why a search answers as it does.

    With --id also why that memory came, or did not."""
    filters = json_option(filter, "--filter")
    with call.opened() as memory:
        found = memory.explain(
            query, id=id, limit=limit, filters=filters, as_of=moment_option(as_of, "--as-of"),
            known_at=moment_option(known_at, "--known-at"), hops=hops, precise=precise, shared=shared,
            latency_ms=latency, scope=call.scope,
        )  # fmt: skip
    show.print_json(found) if call.json else show.say(*show.explanation(found))


@command("state")
def state(
    call: Call,
    subject: Annotated[str, typer.Argument(help="Of whom or what; '' for the speaker.", show_default=False)],
    attribute: Annotated[str | None, typer.Argument(help="Such as capital; everything when left out.")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> None:
    """Show what holds of something, with its sources and what it was before."""
    with call.opened() as memory:
        found = memory.state(
            subject, attribute, as_of=moment_option(as_of, "--as-of"),
            known_at=moment_option(known_at, "--known-at"), scope=call.scope,
        )  # fmt: skip
    if call.json:
        show.print_json(found)
    elif found:
        show.say(show.facts(found))
    else:
        _nothing_stated(call.scope)


@command("profile")
def profile(call: Call, as_of: AsOf = None, known_at: KnownAt = None) -> None:
    """Show all that holds in a scope, now or at another time, by subject."""
    with call.opened() as memory:
        found = memory.profile(
            as_of=moment_option(as_of, "--as-of"), known_at=moment_option(known_at, "--known-at"), scope=call.scope
        )
    if call.json:
        show.print_json(found)
        return
    if found.subjects:
        show.say(show.profile(found))
    else:
        _nothing_stated(call.scope)
    if found.owed:
        show.say(show.text(f"{found.owed:,} memories are still to be read; `memstrata upkeep` does it", "dim"))


def _nothing_stated(scope: Scope) -> None:
    show.nothing(
        f"nothing is known to be stated of it in: {show.scope_line(scope)}",
        "`memstrata profile` shows all that is, and `memstrata search` finds memories whatever they say",
    )


@command("undo")
def undo(call: Call, id: Id) -> None:
    """Take back that what a memory states was replaced."""
    with call.opened() as memory:
        held = memory.undo(id, scope=call.scope)
    if call.json:
        show.print_json({"holding": held})
    elif held:
        show.say(show.text(f"{held} of its statements hold again"))
    else:
        show.nothing("nothing that it states had been replaced", "`memstrata search` marks what was")


@command("tally")
def tally(call: Call) -> None:
    """Count the memories of each user, agent and session."""
    whose = call.of_everyone() if call.scope.user_id is None else call
    with whose.opened() as memory:
        found = memory.tally(scope=whose.scope)
    if call.json:
        show.print_json(found)
    elif found:
        for one in found:
            show.say(show.text(f"{one.memories:>9,}  {show.scope_line(one.scope)}"))
    else:
        show.nothing("nobody has memories here", "`memstrata add` keeps one")


@command("scopes")
def scopes(call: Call) -> None:
    """Show which tenants, apps and users have memories."""
    whose = call.of_everyone() if call.scope.user_id is None else call
    with whose.opened() as memory:
        found = memory.scopes(scope=whose.scope)
    if call.json:
        show.print_json(found)
    elif found:
        for one in found:
            show.say(show.text(show.scope_line(one)))
    else:
        show.nothing("nobody has memories here", "`memstrata add` keeps one")
