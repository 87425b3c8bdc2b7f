// The published SDK, unchanged, sees to users, environments, roles, keys and the tenant. It validates every reply against
// its own schemas; a reply that does not fit is a ResponseValidationError.
//
// What this release of the SDK cannot do is sent with fetch, as other clients do: sign up, log in, list environments, invite a person.
//
// Environment: FARTHING_URL (ends in /v1), FARTHING_API_KEY (a super_admin's), FARTHING_ENVIRONMENT_ID (the key's).

import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorsErrorsErrorResponse, Flexprice, HTTPClient, SDKError } from "@flexprice/sdk";

const serverURL = process.env.FARTHING_URL;
const apiKeyAuth = process.env.FARTHING_API_KEY;
const ownEnvironment = process.env.FARTHING_ENVIRONMENT_ID;
assert.ok(serverURL?.endsWith("/v1") && apiKeyAuth && ownEnvironment, "run by test_sdk.py");

// The SDK drops keys that it does not know; the bodies behind its replies are kept here.
const bodies = [];
const httpClient = new HTTPClient().addHook("response", async (response) => {
  const text = await response.clone().text();
  bodies.push(text ? JSON.parse(text) : null);
});
const clientWith = (key) => new Flexprice({ serverURL, apiKeyAuth: key, httpClient });
const client = clientWith(apiKeyAuth);

let count = 0;
const newName = (what) => `${what}-${process.pid}-${++count}`;

async function send(method, path, body, headers = { "x-api-key": apiKeyAuth }) {
  const response = await fetch(`${serverURL}${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function assertStatus(promise, status, kind = SDKError) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof kind, error);
    assert.equal(error.statusCode, status);
    assert.equal(JSON.parse(error.body).http_status_code, status);
    return true;
  });
}

const makeServiceAccount = (roles) => client.users.createUser({ type: "service_account", roles });
const makeKey = (request = {}) => client.secrets.createApiKey({ name: newName("key"), type: "private_key", ...request });

// --- users ---------------------------------------------------------------------------------------------------------

test("whose key it is", async () => {
  const me = await client.users.getUserInfo();
  assert.match(me.id, /^user_/);
  assert.equal(me.type, "user");
  assert.deepEqual(me.roles, ["super_admin"]);
  assert.match(me.tenant.id, /^tenant_/);
});

test("a service account is made and found", async () => {
  const made = await makeServiceAccount(["event_ingestor"]);
  assert.match(made.id, /^user_/);
  assert.equal(made.type, "service_account");
  assert.deepEqual(made.roles, ["event_ingestor"]);
  const found = await client.users.queryUser({ userIds: [made.id] });
  assert.equal(found.pagination.total, 1);
  assert.deepEqual(
    found.items.map((user) => [user.id, user.type, user.roles]),
    [[made.id, "service_account", ["event_ingestor"]]],
  );
});

test("users are searched by type, a page at a time", async () => {
  const made = [];
  for (let i = 0; i < 3; i++) made.push((await makeServiceAccount(["event_reader"])).id);
  const request = { userIds: made, type: "service_account", limit: 2, order: "asc" };
  const pages = [];
  for (const offset of [0, 2]) pages.push(await client.users.queryUser({ ...request, offset }));
  assert.deepEqual(
    pages.map((page) => page.items.length),
    [2, 1],
  );
  assert.deepEqual(
    pages.map((page) => page.pagination.total),
    [3, 3],
  );
  assert.deepEqual(new Set(pages.flatMap((page) => page.items.map((user) => user.id))), new Set(made));
  assert.deepEqual((await client.users.queryUser({ userIds: made, type: "user" })).items, []);
});

test("an invited person is read, without the password", async () => {
  const email = `${newName("jane")}@example.com`;
  const invited = await send("POST", "/users", { type: "user", email, roles: ["all_reader"] });
  assert.equal(invited.status, 201);
  assert.ok(invited.body.password);
  // Without a type, a search is for service accounts.
  assert.deepEqual((await client.users.queryUser({ userIds: [invited.body.id] })).items, []);
  const found = await client.users.queryUser({ userIds: [invited.body.id], type: "user" });
  assert.equal(found.items[0].email, email);
  assert.deepEqual(found.items[0].roles, ["all_reader"]);
  assert.ok(!("password" in bodies.at(-1).items[0]));
});

test("a role that there is not is a 400", async () => {
  await assertStatus(makeServiceAccount(["emperor"]), 400, ErrorsErrorsErrorResponse);
});

// --- roles ---------------------------------------------------------------------------------------------------------

test("roles are listed and read", async () => {
  const { roles } = await client.rbac.listRbacRoles();
  const ids = roles.map((role) => role.id);
  for (const id of ["super_admin", "all_reader", "all_writer", "event_ingestor", "event_reader"]) assert.ok(ids.includes(id), id);
  const { role } = await client.rbac.getRbacRole("all_reader");
  assert.equal(role.id, "all_reader");
  assert.deepEqual(role.permissions, { "*": ["read"] });
  await assertStatus(client.rbac.getRbacRole("emperor"), 404);
});

// --- environments --------------------------------------------------------------------------------------------------

test("an environment is made, renamed and used", async () => {
  const made = await client.environments.createEnvironment({ name: newName("Live"), type: "production" });
  assert.match(made.id, /^env_/);
  assert.equal(made.type, "production");
  const name = newName("Renamed");
  const renamed = await client.environments.updateEnvironment(made.id, { name });
  assert.equal(renamed.id, made.id);
  assert.equal(renamed.name, name);
  assert.equal(renamed.type, "production");
  const listed = await send("GET", "/environments?limit=1000");
  assert.deepEqual(
    listed.body.environments.filter((environment) => environment.id === made.id).map((environment) => environment.name),
    [name],
  );
});

test("an environment that there is not is a 404", async () => {
  const nobody = "env_01KDVDNA00QX7M3T9B2E5H8JZK";
  await assertStatus(client.environments.updateEnvironment(nobody, { name: "x" }), 404, ErrorsErrorsErrorResponse);
});

test("an environment of another type is a 400", async () => {
  await assertStatus(
    client.environments.createEnvironment({ name: newName("Stage"), type: "staging" }),
    400,
    ErrorsErrorsErrorResponse,
  );
});

// --- API keys ------------------------------------------------------------------------------------------------------

test("a key is made, works, is listed without its text, and ends", async () => {
  const { apiKey, secret } = await makeKey();
  assert.match(apiKey, /^sk_/);
  assert.match(secret.id, /^secret_/);
  const holder = clientWith(apiKey);
  const customer = await holder.customers.createCustomer({ externalId: newName("customer"), name: "Acme" });
  assert.equal(customer.environmentId, ownEnvironment);

  const listed = await client.secrets.listApiKeys(1000, 0);
  const found = listed.items.find((item) => item.id === secret.id);
  assert.equal(found.name, secret.name);
  assert.equal(found.displayId, secret.displayId);
  assert.ok(!JSON.stringify(bodies.at(-1)).includes(apiKey));

  assert.equal(await client.secrets.deleteApiKey(secret.id), undefined);
  await assertStatus(holder.customers.getCustomer(customer.id), 401);
  const after = await client.secrets.listApiKeys(1000, 0);
  assert.ok(!after.items.some((item) => item.id === secret.id));
});

test("keys are listed a page at a time", async () => {
  for (let i = 0; i < 2; i++) await makeKey();
  const all = await client.secrets.listApiKeys(1000, 0);
  assert.equal(all.pagination.total, all.items.length);
  const page = await client.secrets.listApiKeys(1, 1);
  assert.deepEqual(
    page.items.map((item) => item.id),
    [all.items[1].id],
  );
  assert.equal(page.pagination.total, all.pagination.total);
});

test("a key ends when it says", async () => {
  const expiresAt = "2099-12-31T00:00:00Z";
  const { secret } = await makeKey({ expiresAt });
  assert.equal(Date.parse(secret.expiresAt), Date.parse(expiresAt));
  await assertStatus(makeKey({ expiresAt: "2001-01-01T00:00:00Z" }), 400, ErrorsErrorsErrorResponse);
});

test("a service account's key may do what its roles grant, and no more", async () => {
  const account = await makeServiceAccount(["event_ingestor"]);
  const { apiKey, secret } = await makeKey({ serviceAccountId: account.id });
  assert.equal(secret.userType, "service_account");
  assert.deepEqual(secret.roles, ["event_ingestor"]);
  const holder = clientWith(apiKey);
  assert.equal((await holder.users.getUserInfo()).id, account.id);
  await assertStatus(holder.customers.createCustomer({ externalId: newName("customer"), name: "Acme" }), 403);
  await assertStatus(holder.secrets.createApiKey({ name: "more", type: "private_key" }), 403);
});

test("a key that there is not is a 404", async () => {
  await assertStatus(client.secrets.deleteApiKey("secret_01KDVDNA00QX7M3T9B2E5H8JZK"), 404, ErrorsErrorsErrorResponse);
});

// --- the tenant ----------------------------------------------------------------------------------------------------

test("the tenant is changed and read", async () => {
  const { tenant } = await client.users.getUserInfo();
  const name = newName("Tenant");
  const changed = await client.tenants.updateTenant({ name, billingDetails: { email: "ap@example.com" } });
  assert.equal(changed.id, tenant.id);
  assert.equal(changed.name, name);
  assert.deepEqual(await client.tenants.getTenantById(tenant.id), changed);
  await client.tenants.getTenantBillingUsage();
});

// --- signing up, logging in, tokens --------------------------------------------------------------------------------

test("who signs up drives the SDK with a token and names the environment", async () => {
  const email = `${newName("owner")}@example.com`;
  const password = "a long enough password";
  const signedUp = await send("POST", "/auth/signup", { email, password, tenant_name: newName("Tenant") }, {});
  assert.equal(signedUp.status, 200);
  const loggedIn = await send("POST", "/auth/login", { email, password }, {});
  assert.equal(loggedIn.status, 200);
  const authorization = { Authorization: `Bearer ${loggedIn.body.token}` };

  const bare = new Flexprice({ serverURL, httpClient });
  const me = await bare.users.getUserInfo({ headers: authorization });
  assert.equal(me.id, signedUp.body.user_id);
  assert.equal(me.tenant.id, signedUp.body.tenant_id);

  const environment = await bare.environments.createEnvironment(
    { name: "Live", type: "production" },
    { headers: authorization },
  );
  const request = { externalId: "acme", name: "Acme" };
  await assertStatus(bare.customers.createCustomer(request, { headers: authorization }), 403);
  const headers = { ...authorization, "X-Environment-ID": environment.id };
  const customer = await bare.customers.createCustomer(request, { headers });
  assert.equal(customer.environmentId, environment.id);
  assert.equal(customer.tenantId, signedUp.body.tenant_id);
  // Another tenant's environment stays closed, to a key as to a token.
  await assertStatus(client.customers.getCustomer(customer.id), 404);
  await assertStatus(
    bare.customers.getCustomer(customer.id, { headers: { ...authorization, "X-Environment-ID": ownEnvironment } }),
    403,
  );
});

test("a request that is sent again with its Idempotency-Key is done once", async () => {
  const headers = { "Idempotency-Key": newName("key") };
  const request = { name: newName("key"), type: "private_key" };
  const first = await client.secrets.createApiKey(request, { headers });
  const second = await client.secrets.createApiKey(request, { headers });
  assert.deepEqual(second, first);
  const listed = await client.secrets.listApiKeys(1000, 0);
  assert.equal(listed.items.filter((item) => item.name === request.name).length, 1);
});
