"""One story, told by the generated client to a real server.

TypeScript and Rust tell the same one (`clients/typescript/story.ts`,
`crates/client/tests/it/story.rs`).
"""

import base64
import hashlib
import os
import time
from typing import TypeVar

import httpx
from kici_client import AuthenticatedClient
from kici_client.api.api_keys import api_keys_create, api_keys_rotate
from kici_client.api.audit import audit_list
from kici_client.api.invites import invites_accept, invites_create, invites_pending
from kici_client.api.orgs import orgs_get
from kici_client.api.permissions import permissions_explain, permissions_get
from kici_client.api.roles import roles_create, roles_list, roles_simulate
from kici_client.api.sign_in import sign_in_exchange
from kici_client.api.teams import teams_create
from kici_client.models import (
    ApiKeyCreate,
    ApiKeyCreated,
    AuditItem,
    ExplainQuestion,
    InviteCreate,
    Permissions,
    PermissionsAudit,
    PermissionsMembers,
    PermissionsSecrets,
    Problem,
    Requirement,
    Role,
    RoleCreate,
    RoleSimulate,
    RoleSimulateChange,
    Rotation,
    TeamCreate,
    TokenExchange,
)
from kici_client.types import UNSET, Response, Unset

ORG = os.environ["KICI_ORG"]
T = TypeVar("T")


def as_(token: str) -> AuthenticatedClient:
    """Whoever has the token."""
    return AuthenticatedClient(
        base_url=os.environ["KICI_URL"], token=token, raise_on_unexpected_status=True
    )


def done(answer: Response[T | Problem]) -> T:
    """What was answered, where nothing else than a success will do."""
    assert answer.parsed is not None and not isinstance(answer.parsed, Problem), answer.content
    return answer.parsed


def refused(answer: Response[T | Problem], status: int, code: str) -> Problem:
    """The error, where nothing else will do."""
    problem = answer.parsed
    assert isinstance(problem, Problem), answer.content
    assert (answer.status_code, problem.code) == (status, code), answer.content
    assert problem.request_id == answer.headers["X-Request-Id"]
    return problem


def create_role(owner: AuthenticatedClient) -> Role:
    permissions = Permissions(audit=PermissionsAudit.READ, members=PermissionsMembers.READ)
    body = RoleCreate(name="Python auditor", permissions=permissions)

    def create() -> Response[Role | Problem]:
        key = "story-python"
        return roles_create.sync_detailed(ORG, client=owner, body=body, idempotency_key=key)

    role = done(create())
    assert role.permissions.audit == PermissionsAudit.READ
    assert role.permissions.secrets == PermissionsSecrets.NONE
    # As after a lost connection: nothing is made twice.
    again = create()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert done(again) == role
    return role


def is_no_member(person: AuthenticatedClient) -> None:
    refused(orgs_get.sync_detailed(ORG, client=person), 404, "not_found")


def invite(owner: AuthenticatedClient, email: str, role: Role) -> None:
    body = InviteCreate(email=email, role_ids=[role.id])
    sent = done(invites_create.sync_detailed(ORG, client=owner, body=body))
    assert (sent.invite.email, sent.invite.role_ids) == (email, [role.id])


def sign_in(who: str) -> str:
    """An access token of the issuer, by the device flow, as the command line asks for one."""
    issuer = os.environ["KICI_URL"] + "/dev/oidc"
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()

    def post(at: str, fields: dict[str, str]) -> httpx.Response:
        return httpx.post(f"{issuer}/{at}", data=fields).raise_for_status()

    begun = post(
        "device_authorization",
        {
            "client_id": "kici-cli",
            "scope": "openid profile email offline_access",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        },
    ).json()
    post("device", {"user_code": begun["user_code"], "person": who})
    given = post(
        "token",
        {
            "client_id": "kici-cli",
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": begun["device_code"],
            "code_verifier": verifier,
        },
    ).json()
    return str(given["access_token"])


def accept(person: AuthenticatedClient, role: Role) -> None:
    """As somebody who has just signed in, with the provider's own token."""
    pending = done(invites_pending.sync_detailed(client=person))
    [invite] = [invite for invite in pending.invites if invite.org_id == ORG]
    accepted = done(invites_accept.sync_detailed(invite.id, client=person))
    assert accepted.org_id == ORG
    own = done(permissions_get.sync_detailed(ORG, client=person))
    assert [held.id for held in own.roles] == [role.id]


def create_key(owner: AuthenticatedClient) -> ApiKeyCreated:
    body = ApiKeyCreate(name="Python", permissions=Permissions(members=PermissionsMembers.READ))
    made = done(api_keys_create.sync_detailed(ORG, client=owner, body=body))
    assert made.token.startswith(made.key.prefix)
    return made


def is_denied(program: AuthenticatedClient) -> None:
    done(roles_list.sync_detailed(ORG, client=program))
    answer = teams_create.sync_detailed(ORG, client=program, body=TeamCreate(name="Python"))
    problem = refused(answer, 403, "insufficient_permission")
    assert problem.required == Requirement(resource="teams", level="admin")
    assert problem.held == "none"


def learns_why(program: AuthenticatedClient) -> None:
    body = ExplainQuestion(resource="teams", level="admin")
    answer = done(permissions_explain.sync_detailed(ORG, client=program, body=body))
    assert (answer.allowed, answer.held, answer.granted_by) == (False, "none", [])
    assert answer.summary == "denied: `teams: admin` needed, `teams: none` held"


def knows_own_roles(owner: AuthenticatedClient) -> None:
    own = done(permissions_get.sync_detailed(ORG, client=owner))
    assert [(role.name, role.via) for role in own.roles] == [("Owner", "direct")]


def rotate_key(owner: AuthenticatedClient, old: ApiKeyCreated) -> None:
    body = Rotation(overlap_days=0)
    made = done(api_keys_rotate.sync_detailed(ORG, old.key.id, client=owner, body=body))
    done(roles_list.sync_detailed(ORG, client=as_(made.token)))
    refused(roles_list.sync_detailed(ORG, client=as_(old.token)), 401, "invalid_token")


def simulate(owner: AuthenticatedClient, role: Role) -> None:
    change = RoleSimulateChange(permissions=Permissions(secrets=PermissionsSecrets.ADMIN))
    body = RoleSimulate(role=role.id, change=change)
    answer = done(roles_simulate.sync_detailed(ORG, client=owner, body=body))
    # Whoever has accepted has the role.
    assert (len(answer.people), answer.keys_narrowed, answer.refused) == (1, 0, UNSET)


def audit_log(owner: AuthenticatedClient) -> list[AuditItem]:
    """The whole log, by pages, newest first."""
    items = []
    cursor: str | None | Unset = UNSET
    while cursor is not None:
        page = done(audit_list.sync_detailed(ORG, client=owner, limit=2, cursor=cursor))
        items += page.items
        cursor = page.next_cursor or None
    return items


def is_in_audit_log(owner: AuthenticatedClient, role: Role, made: ApiKeyCreated) -> None:
    expected = {
        ("role.created", role.id),
        ("api_key.created", made.key.id),
        ("access.denied", made.key.id),
        ("api_key.rotated", made.key.id),
    }
    # What is denied is written down every 5 s.
    for _ in range(30):
        log = audit_log(owner)
        found = {(i.action, i.actor_id if i.outcome == "denied" else i.target) for i in log}
        if expected <= found:
            return
        time.sleep(0.5)
    raise AssertionError(f"not in the audit log: {expected - found}")


def main() -> None:
    owner = as_(os.environ["KICI_TOKEN"])
    person = as_(sign_in(os.environ["KICI_PERSON"]))
    machine = TokenExchange(machine_name="python")
    exchanged = done(sign_in_exchange.sync_detailed(client=person, body=machine))
    assert exchanged.token.startswith("kici_pat_")

    role = create_role(owner)
    is_no_member(person)
    invite(owner, os.environ["KICI_PERSON_EMAIL"], role)
    is_no_member(person)  # as long as they have not accepted
    accept(person, role)
    made = create_key(owner)
    is_denied(as_(made.token))
    learns_why(as_(made.token))
    knows_own_roles(owner)
    rotate_key(owner, made)
    simulate(owner, role)
    is_in_audit_log(owner, role, made)
    print("python: the story holds")


if __name__ == "__main__":
    main()
