// One story, told by the generated client to a real server. Python and Rust tell the same one
// (`clients/python/story.py`, `crates/client/tests/it/story.rs`).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./platform.js";

type Schemas = components["schemas"];
type Platform = Client<paths>;
type Answer<T> = { data?: T; error?: Schemas["Problem"]; response: Response };

function setting(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set: run this with \`cargo xtask clients\``);
  return value;
}

const org = setting("KICI_ORG");
const path = { org };

/** Whoever has the token. */
function as(token: string): Platform {
  return createClient<paths>({
    baseUrl: setting("KICI_URL"),
    headers: { Authorization: `Bearer ${token}` },
  });
}

/** What was answered, where nothing else than a success will do. */
function done<T>({ data, error, response }: Answer<T>): T {
  assert(data !== undefined, `${response.status} ${JSON.stringify(error)}`);
  return data;
}

/** The error, where nothing else will do. */
function refused({ error, response }: Answer<unknown>, status: number, code: string) {
  assert.equal(response.status, status, JSON.stringify(error));
  assert.equal(error?.code, code);
  assert.equal(error.requestId, response.headers.get("X-Request-Id"));
  return error;
}

async function createRole(owner: Platform): Promise<Schemas["Role"]> {
  const create = () =>
    owner.POST("/api/v1/orgs/{org}/roles", {
      params: { path, header: { "Idempotency-Key": "story-typescript" } },
      body: { name: "TypeScript auditor", permissions: { audit: "read", members: "read" } },
    });
  const role = done(await create());
  assert.equal(role.permissions.audit, "read");
  assert.equal(role.permissions.secrets, "none");
  // As after a lost connection: nothing is made twice.
  const again = await create();
  assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");
  assert.deepEqual(done(again), role);
  return role;
}

async function isNoMember(person: Platform): Promise<void> {
  refused(await person.GET("/api/v1/orgs/{org}", { params: { path } }), 404, "not_found");
}

async function invite(owner: Platform, email: string, role: Schemas["Role"]): Promise<void> {
  const url = "/api/v1/orgs/{org}/invites";
  const body: Schemas["InviteCreate"] = { email, roleIds: [role.id] };
  const sent = done(await owner.POST(url, { params: { path }, body }));
  assert.deepEqual([sent.invite.email, sent.invite.roleIds], [email, [role.id]]);
}

/** An access token of the issuer, by the device flow, as the command line asks for one. */
async function signIn(who: string): Promise<string> {
  const issuer = `${setting("KICI_URL")}/dev/oidc`;
  const post = async (at: string, fields: Record<string, string>) => {
    const answer = await fetch(`${issuer}/${at}`, { method: "POST", body: new URLSearchParams(fields) });
    assert(answer.ok, `${answer.status} ${at}`);
    return answer;
  };
  const verifier = "v".repeat(43);
  const begun = (await (
    await post("device_authorization", {
      client_id: "kici-cli",
      scope: "openid profile email offline_access",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    })
  ).json()) as { user_code: string; device_code: string };
  await post("device", { user_code: begun.user_code, person: who });
  const given = (await (
    await post("token", {
      client_id: "kici-cli",
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: begun.device_code,
      code_verifier: verifier,
    })
  ).json()) as { access_token: string };
  return given.access_token;
}

/** As somebody who has just signed in, with the provider's own token. */
async function accept(person: Platform, role: Schemas["Role"]): Promise<void> {
  const pending = done(await person.GET("/api/v1/invites/pending"));
  const invite = pending.invites.find(({ orgId }) => orgId === org);
  assert(invite, "no invitation");
  const url = "/api/v1/invites/{invite}/accept";
  const accepted = done(await person.POST(url, { params: { path: { invite: invite.id } } }));
  assert.equal(accepted.orgId, org);
  const own = done(await person.GET("/api/v1/orgs/{org}/permissions", { params: { path } }));
  assert.deepEqual(own.roles.map(({ id }) => id), [role.id]);
}

async function createKey(owner: Platform): Promise<Schemas["ApiKeyCreated"]> {
  const body: Schemas["ApiKeyCreate"] = { name: "TypeScript", permissions: { members: "read" } };
  const made = done(await owner.POST("/api/v1/orgs/{org}/api-keys", { params: { path }, body }));
  assert(made.token.startsWith(made.key.prefix));
  return made;
}

async function isDenied(program: Platform): Promise<void> {
  done(await program.GET("/api/v1/orgs/{org}/roles", { params: { path } }));
  const answer = await program.POST("/api/v1/orgs/{org}/teams", {
    params: { path },
    body: { name: "TypeScript" },
  });
  const problem = refused(answer, 403, "insufficient_permission");
  assert.deepEqual(problem.required, { resource: "teams", level: "admin" });
  assert.equal(problem.held, "none");
}

async function learnsWhy(program: Platform): Promise<void> {
  const body: Schemas["ExplainQuestion"] = { resource: "teams", level: "admin" };
  const url = "/api/v1/orgs/{org}/permissions/explain";
  const answer = done(await program.POST(url, { params: { path }, body }));
  assert.deepEqual([answer.allowed, answer.held, answer.grantedBy], [false, "none", []]);
  assert.equal(answer.summary, "denied: `teams: admin` needed, `teams: none` held");
}

async function knowsOwnRoles(owner: Platform): Promise<void> {
  const own = done(await owner.GET("/api/v1/orgs/{org}/permissions", { params: { path } }));
  assert.deepEqual(
    own.roles.map(({ name, via }) => [name, via]),
    [["Owner", "direct"]],
  );
}

async function rotateKey(owner: Platform, old: Schemas["ApiKeyCreated"]): Promise<void> {
  const url = "/api/v1/orgs/{org}/api-keys/{key}/rotate";
  const params = { path: { org, key: old.key.id } };
  const made = done(await owner.POST(url, { params, body: { overlapDays: 0 } }));
  const roles = (token: string) => as(token).GET("/api/v1/orgs/{org}/roles", { params: { path } });
  done(await roles(made.token));
  refused(await roles(old.token), 401, "invalid_token");
}

async function simulate(owner: Platform, role: Schemas["Role"]): Promise<void> {
  const change: Schemas["RoleSimulateChange"] = { permissions: { secrets: "admin" } };
  const url = "/api/v1/orgs/{org}/roles/simulate";
  const answer = done(await owner.POST(url, { params: { path }, body: { role: role.id, change } }));
  // Whoever has accepted has the role.
  const { people, ...rest } = answer;
  assert.equal(people.length, 1);
  assert.deepEqual(rest, { keysNarrowed: 0 });
}

/** The whole log, by pages, newest first. */
async function auditLog(owner: Platform): Promise<Schemas["AuditItem"][]> {
  const items: Schemas["AuditItem"][] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
    const url = "/api/v1/orgs/{org}/audit";
    const page = done(await owner.GET(url, { params: { path, query } }));
    items.push(...page.items);
    cursor = page.nextCursor ?? null;
  }
  return items;
}

async function isInAuditLog(
  owner: Platform,
  role: Schemas["Role"],
  { key }: Schemas["ApiKeyCreated"],
): Promise<void> {
  const expected = [
    ["role.created", role.id],
    ["api_key.created", key.id],
    ["access.denied", key.id],
    ["api_key.rotated", key.id],
  ];
  // What is denied is written down every 5 s.
  for (let attempt = 0; ; attempt += 1) {
    const log = await auditLog(owner);
    const found = log.map((i) => [i.action, i.outcome === "denied" ? i.actorId : i.target].join());
    const missing = expected.filter((entry) => !found.includes(entry.join()));
    if (missing.length === 0) return;
    assert(attempt < 30, `not in the audit log: ${JSON.stringify(missing)}`);
    await sleep(500);
  }
}

const owner = as(setting("KICI_TOKEN"));
const person = as(await signIn(setting("KICI_PERSON")));
const machine = { body: { machineName: "typescript" } };
const exchanged = done(await person.POST("/api/v1/cli/exchange-token", machine));
assert(exchanged.token.startsWith("kici_pat_"));

const role = await createRole(owner);
await isNoMember(person);
await invite(owner, setting("KICI_PERSON_EMAIL"), role);
await isNoMember(person); // as long as they have not accepted
await accept(person, role);
const key = await createKey(owner);
await isDenied(as(key.token));
await learnsWhy(as(key.token));
await knowsOwnRoles(owner);
await rotateKey(owner, key);
await simulate(owner, role);
await isInAuditLog(owner, role, key);
console.log("typescript: the story holds");
