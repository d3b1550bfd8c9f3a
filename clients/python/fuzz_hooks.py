"""What schemathesis can not guess: the ids of things that are there.

The document says of an id that it is a string, and a random string is refused at the door. So most
requests get the id of something real before they are sent; the others keep what was drawn.
"""

import os
import random
from typing import Any

import requests
import schemathesis

ROOT = f"{os.environ['KICI_URL']}/api/v1/orgs/{os.environ['KICI_ORG']}"
HEADERS = {"Authorization": f"Bearer {os.environ['KICI_TOKEN']}"}
RANDOM = random.Random(int(os.environ["KICI_SEED"]))
# How many of the places for an id get a real one.
SHARE = 0.8

NAMED: dict[str, Any] = {"name": "fuzz {}"}
READS: dict[str, Any] = {"permissions": {"members": "read"}}
# Of each collection: where its list stands in the answer, and what makes one.
COLLECTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "api-keys": ("apiKeys", NAMED | READS),
    "invites": ("invites", {"email": "fuzz-{}@example.org"}),
    "orchestrator-keys": ("orchestratorKeys", NAMED),
    "roles": ("roles", NAMED | READS),
    "service-accounts": ("serviceAccounts", NAMED | READS),
    "teams": ("teams", NAMED),
}
COLLECTION_OF = {
    "invite": "invites",
    "account": "service-accounts",
    "role": "roles",
    "team": "teams",
}


def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = requests.request(method, ROOT + path, json=body, headers=HEADERS, timeout=10)
    answer.raise_for_status()
    return answer.json()


def one_of(path: str, key: str, new: dict[str, Any]) -> str:
    """The id of one of those at `path`; a new one where there is none."""
    # Nothing can be done to the built-in Owner, and random ids are refused often enough.
    found = [one for one in ask("GET", path)[key] if not one.get("isOwner")]
    if found:
        return str(RANDOM.choice(found)["id"])
    number = RANDOM.randrange(10**9)
    texts = {name: text.format(number) for name, text in new.items() if isinstance(text, str)}
    made = ask("POST", path, new | texts)
    return str(made.get("key", made.get("invite", made))["id"])


def some(collection: str) -> str:
    return one_of(f"/{collection}", *COLLECTIONS[collection])


def some_user() -> str:
    return str(RANDOM.choice(ask("GET", "/members")["members"])["userId"])


def real(name: str, path: str, chosen: dict[str, Any]) -> str | None:
    """An id for the parameter `name` of `path`; `None` for what is no id of a thing."""
    if name in COLLECTION_OF:
        return some(COLLECTION_OF[name])
    if name == "user":
        return some_user()
    if name != "key":
        return None
    if not path.startswith("/api/v1/orgs/{org}/"):
        # As `kici-admin` speaks of orchestrator keys.
        return some("orchestrator-keys")
    collection = path.removeprefix("/api/v1/orgs/{org}/").split("/")[0]
    if collection != "service-accounts":
        return some(collection)
    # A key belongs to its account, so both are real or none is.
    chosen["account"] = some(collection)
    return one_of(f"/service-accounts/{chosen['account']}/keys", "keys", NAMED)


def fill(body: dict[str, Any]) -> None:
    """The same for the ids in a body, and for the words that the document calls a string."""
    for field, value in {
        "role": lambda: some("roles"),
        "user": some_user,
        "assign": some_user,
        "unassign": some_user,
        "grantTeam": lambda: some("teams"),
        "revokeTeam": lambda: some("teams"),
        "roleIds": lambda: [some("roles")],
        "repoPatterns": lambda: RANDOM.choice([["*"], ["acme/*", "acme/web"]]),
        "resource": lambda: RANDOM.choice(["api_keys", "members", "runs", "secrets"]),
        "level": lambda: RANDOM.choice(["none", "read", "write", "admin"]),
        "kind": lambda: RANDOM.choice(["user", "agent"]),
        "expiresInDays": lambda: RANDOM.randint(1, 90),
        "overlapDays": lambda: RANDOM.randint(0, 30),
    }.items():
        if field in body and RANDOM.random() < SHARE:
            body[field] = value()
    if isinstance(body.get("change"), dict):
        fill(body["change"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    for name in list(case.path_parameters or {}):
        if RANDOM.random() < SHARE and (value := real(name, case.path, case.path_parameters)):
            case.path_parameters[name] = value
    if isinstance(case.body, dict):
        fill(case.body)
    # Without one, so that the next request does not meet what an earlier one left under the key.
    if case.headers and RANDOM.random() < SHARE:
        for name in ("Idempotency-Key", "If-Match"):
            case.headers.pop(name, None)
