// The published SDK, unchanged, against a running server. It validates every reply against its own schemas;
// a reply that does not fit is a ResponseValidationError.
//
// Environment: FARTHING_URL (ends in /v1), FARTHING_API_KEY, FARTHING_ARCHIVED_ID, FARTHING_MAPPED_ID.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorsErrorsErrorResponse, Flexprice, FlexPriceError, HTTPClient, SDKError } from "@flexprice/sdk";

const serverURL = process.env.FARTHING_URL;
const apiKeyAuth = process.env.FARTHING_API_KEY;
assert.ok(serverURL?.endsWith("/v1") && apiKeyAuth, "run by test_sdk.py");

// The SDK drops keys that it does not know; the bodies behind its replies are kept here.
const bodies = [];
const httpClient = new HTTPClient().addHook("response", async (response) => {
  bodies.push(response.status === 204 ? null : await response.clone().json());
});
const client = new Flexprice({ serverURL, apiKeyAuth, httpClient });

let count = 0;
const newExternalId = () => `sdk-${process.pid}-${++count}`;

const everyKey = [
  "addressCity",
  "addressCountry",
  "addressLine1",
  "addressLine2",
  "addressPostalCode",
  "addressState",
  "createdAt",
  "createdBy",
  "email",
  "environmentId",
  "externalId",
  "id",
  "metadata",
  "name",
  "status",
  "tenantId",
  "updatedAt",
  "updatedBy",
];

async function readBothWays(created) {
  const byId = await client.customers.getCustomer(created.id);
  const byExternalId = await client.customers.getCustomerByExternalId(created.externalId);
  assert.deepEqual(byId, created);
  assert.deepEqual(byExternalId, created);
  for (const body of bodies.slice(-2)) assert.ok(Array.isArray(body.integrations));
}

test("a full customer is created and read", async () => {
  const request = {
    externalId: newExternalId(),
    name: "Acme GmbH",
    email: "ap@acme.example",
    addressLine1: "Torstr. 1",
    addressLine2: "2. Hof",
    addressCity: "Berlin",
    addressState: "BE",
    addressPostalCode: "10119",
    addressCountry: "DE",
    metadata: { tier: "gold", größe: "XL" },
    skipOnboardingWorkflow: true,
    taxRateOverrides: [],
    integrationEntityMapping: [],
  };
  const created = await client.customers.createCustomer(request);
  assert.deepEqual(Object.keys(created).sort(), everyKey);
  for (const key of Object.keys(request).filter((key) => everyKey.includes(key)))
    assert.deepEqual(created[key], request[key], key);
  assert.equal(created.status, "published");
  assert.match(created.id, /^cust_/);
  assert.equal(created.createdAt, created.updatedAt);
  assert.ok(!Number.isNaN(Date.parse(created.createdAt)));
  await readBothWays(created);
});

test("a minimal customer has null metadata", async () => {
  const created = await client.customers.createCustomer({ externalId: newExternalId(), name: "Acme" });
  assert.equal(bodies.at(-1).metadata, null);
  assert.equal(created.metadata, undefined);
  assert.equal(created.email, "");
  await readBothWays(created);
  assert.equal(bodies.at(-1).metadata, null);
});

test("empty metadata stays an object", async () => {
  const created = await client.customers.createCustomer({ externalId: newExternalId(), name: "Acme", metadata: {} });
  assert.deepEqual(created.metadata, {});
  await readBothWays(created);
});

test("a customer with a contact is read", async () => {
  // This release of the SDK cannot send a contact or a time zone, but other clients do.
  const externalId = newExternalId();
  const response = await fetch(`${serverURL}/customers`, {
    method: "POST",
    headers: { "x-api-key": apiKeyAuth, "content-type": "application/json" },
    body: JSON.stringify({ external_id: externalId, name: "Acme", contact: "+49 30 1234", timezone: "Europe/Berlin" }),
  });
  assert.equal(response.status, 201);
  const customer = await client.customers.getCustomerByExternalId(externalId);
  assert.equal(customer.externalId, externalId);
  assert.equal(bodies.at(-1).contact, "+49 30 1234");
  assert.equal(bodies.at(-1).timezone, "Europe/Berlin");
});

for (const text of ["ünï 日本 😀", "with space", "a/b", "a+b", "100%", "%2F", "?&=#", "..", '"<>\\'])
  test(`the external id ${text} survives the SDK's own encoding`, async () => {
    const created = await client.customers.createCustomer({ externalId: text, name: text, metadata: { [text]: text } });
    assert.equal(created.externalId, text);
    assert.equal(created.name, text);
    assert.deepEqual(created.metadata, { [text]: text });
    // A path segment of two dots is removed by every URL parser before it is sent, encoded or not.
    if (text !== "..") await readBothWays(created);
  });

test("an archived customer is read by id", async () => {
  const customer = await client.customers.getCustomer(process.env.FARTHING_ARCHIVED_ID);
  assert.equal(customer.status, "archived");
  assert.equal(customer.id, process.env.FARTHING_ARCHIVED_ID);
});

test("an integrated customer is read", async () => {
  const customer = await client.customers.getCustomer(process.env.FARTHING_MAPPED_ID);
  assert.equal(customer.id, process.env.FARTHING_MAPPED_ID);
  assert.equal(bodies.at(-1).integrations[0].provider_entity_id, "cus_9");
});

test("a customer is changed by either id", async () => {
  const created = await client.customers.createCustomer({ externalId: newExternalId(), name: "Acme", metadata: { a: "1" } });
  const byId = await client.customers.updateCustomer({ addressCity: "Pune", email: "ap@acme.example" }, created.id);
  assert.deepEqual(byId, { ...created, addressCity: "Pune", email: "ap@acme.example", updatedAt: byId.updatedAt });
  assert.notEqual(byId.updatedAt, created.updatedAt);
  const cleared = await client.customers.updateCustomer({ email: "", metadata: {} }, undefined, created.externalId);
  assert.deepEqual([cleared.id, cleared.email, cleared.metadata], [created.id, "", {}]);
  await readBothWays(cleared);
});

test("a new external id is found, and the former one is remembered", async () => {
  const [former, next] = [newExternalId(), newExternalId()];
  const created = await client.customers.createCustomer({ externalId: former, name: "Acme" });
  const changed = await client.customers.updateCustomer({ externalId: next }, created.id, former);
  assert.deepEqual([changed.externalId, changed.metadata], [next, { old_external_ids: former }]);
  await readBothWays(changed);
});

test("a deleted customer is archived, and its external id is free", async () => {
  const request = { externalId: newExternalId(), name: "Acme" };
  const created = await client.customers.createCustomer(request);
  assert.equal(await client.customers.deleteCustomer(created.id), undefined);
  assert.equal((await client.customers.getCustomer(created.id)).status, "archived");
  assert.notEqual((await client.customers.createCustomer(request)).id, created.id);
  await assertFallback(client.customers.deleteCustomer(created.id), 404, "not_found");
  await assertFallback(client.customers.updateCustomer({ name: "X" }, created.id), 404, "not_found");
});

test("a change that is refused", async () => {
  const [taken, other] = [newExternalId(), newExternalId()];
  for (const externalId of [taken, other]) await client.customers.createCustomer({ externalId, name: "Acme" });
  await assertFallback(client.customers.updateCustomer({ externalId: taken }, undefined, other), 409, "already_exists");
  for (const [body, id, details] of [[{ name: "" }, "cust_x", ["name"]], [{ name: "X" }, undefined, undefined]])
    await assert.rejects(client.customers.updateCustomer(body, id), (error) => {
      assert.ok(error instanceof ErrorsErrorsErrorResponse, error);
      assert.equal(error.statusCode, 400);
      assert.deepEqual(Object.keys(JSON.parse(error.body).details ?? {}), details ?? []);
      return true;
    });
});

// This release of the SDK has no operation for links, and its mappings have no metadata; other clients do.
async function send(method, path, body) {
  const headers = { "x-api-key": apiKeyAuth, "content-type": "application/json" };
  const response = await fetch(`${serverURL}${path}`, { method, headers, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

test("a customer that was created with mappings is read", async () => {
  const mapping = { provider_type: "stripe", provider_entity_id: newExternalId(), metadata: { plan: { n: 1 } } };
  const request = { external_id: newExternalId(), name: "Acme", integration_entity_mapping: [mapping] };
  const created = await send("POST", "/customers", request);
  assert.equal(created.status, 201);
  const [kept] = created.body.integrations;
  assert.equal(kept.provider_entity_id, mapping.provider_entity_id);
  assert.deepEqual(kept.metadata, mapping.metadata);
  assert.equal(kept.entity_id, created.body.id);
  const read = await client.customers.getCustomer(created.body.id);
  assert.equal(read.externalId, request.external_id);
  assert.deepEqual(bodies.at(-1).integrations, [kept]);
});

test("a customer is created and changed with the SDK's form of mappings", async () => {
  const [first, second] = [newExternalId(), newExternalId()];
  const mapped = (id, provider = "stripe") => [{ id, provider }];
  const request = { externalId: newExternalId(), name: "Acme", integrationEntityMapping: mapped(first) };
  const created = await client.customers.createCustomer(request);
  assert.deepEqual(bodies.at(-1).integrations.map((entry) => [entry.provider_type, entry.provider_entity_id]), [["stripe", first]]);
  await client.customers.updateCustomer({ integrationEntityMapping: mapped(second) }, created.id);
  assert.deepEqual(bodies.at(-1).integrations.map((entry) => entry.provider_entity_id), [second]);
  const paypal = client.customers.createCustomer({ ...request, externalId: newExternalId(), integrationEntityMapping: mapped(first, "paypal") });
  await assert.rejects(paypal, (error) => error instanceof ErrorsErrorsErrorResponse && error.statusCode === 400);
});

test("a customer that was linked and delinked is read", async () => {
  const created = await client.customers.createCustomer({ externalId: newExternalId(), name: "Acme" });
  const credentials = { secret_key: "sk_test" };
  const connection = { name: "Stripe", provider_type: "stripe", encrypted_secret_data: credentials };
  assert.equal((await send("POST", "/connections", connection)).status, 201);
  const naming = { entity_type: "customer", entity_id: created.id, provider_type: "stripe" };
  const linked = await send("POST", "/integrations/link", { ...naming, provider_entity_id: newExternalId() });
  assert.equal(linked.status, 200);
  await client.customers.getCustomer(created.id);
  assert.deepEqual(bodies.at(-1).integrations, [linked.body.mapping]);
  assert.equal((await send("DELETE", "/integrations/link", naming)).status, 200);
  await client.customers.getCustomer(created.id);
  assert.deepEqual(bodies.at(-1).integrations, []);
});

test("customers are searched", async () => {
  const plan = newExternalId();
  const made = [];
  for (const name of ["100% Cotton", "100 Cotton", "Linen"])
    made.push(await client.customers.createCustomer({ externalId: newExternalId(), name, email: `${plan}@Acme.example`, metadata: { plan } }));
  const ids = made.map((customer) => customer.id);
  const search = async (filter) => {
    const page = await client.customers.queryCustomer({ customerIds: ids, order: "asc", ...filter });
    return [page.items.map((customer) => ids.indexOf(customer.id)), page.pagination.total];
  };
  const condition = (field, operator, dataType, value) => [{ field, operator, dataType, value: { [dataType]: value } }];

  assert.deepEqual(await search({}), [[0, 1, 2], 3]);
  assert.deepEqual((await client.customers.queryCustomer({ customerIds: ids })).items, [...made].reverse());
  assert.deepEqual(await search({ limit: 1, offset: 1 }), [[1], 3]);
  assert.deepEqual(bodies.at(-1).pagination, { total: 3, limit: 1, offset: 2 });
  assert.deepEqual(await search({ filters: condition("name", "contains", "string", "COTTON") }), [[0, 1], 2]);
  assert.deepEqual(await search({ filters: condition("name", "contains", "string", "0%") }), [[0], 1]);
  assert.deepEqual(await search({ filters: condition("name", "not_contains", "string", "cotton") }), [[2], 1]);
  assert.deepEqual(await search({ filters: condition("name", "in", "array", ["Linen"]) }), [[2], 1]);
  assert.deepEqual(await search({ filters: condition("name", "in", "array", []) }), [[0, 1, 2], 3]);
  assert.deepEqual(await search({ filters: condition("created_at", "before", "date", "2000-01-01T00:00:00Z") }), [[], 0]);
  assert.deepEqual(await search({ sort: [{ field: "name", direction: "desc" }] }), [[2, 0, 1], 3]);
  assert.deepEqual(await search({ email: `${plan}@acme.EXAMPLE`, status: "published" }), [[0, 1, 2], 3]);
  assert.deepEqual(await search({ status: "archived" }), [[], 0]);
  assert.deepEqual(await search({ externalIds: [made[1].externalId] }), [[1], 1]);
  assert.deepEqual(await search({ externalId: made[2].externalId, expand: "integrations" }), [[2], 1]);
  assert.deepEqual(await search({ startTime: made[1].createdAt, endTime: made[1].createdAt }), [[1], 1]);
});

test("an integrated customer is found with what it is integrated with", async () => {
  const page = await client.customers.queryCustomer({ externalId: "mapped", expand: "integrations" });
  assert.equal(page.items[0].id, process.env.FARTHING_MAPPED_ID);
  assert.equal(bodies.at(-1).items[0].integrations[0].provider_entity_id, "cus_9");
});

test("a search that is refused is the SDK's error", async () => {
  await assert.rejects(client.customers.queryCustomer({ limit: 1001 }), (error) => {
    assert.ok(error instanceof ErrorsErrorsErrorResponse, error);
    assert.equal(error.statusCode, 400);
    assert.equal(error.message, "limit must be from 1 to 1000");
    return true;
  });
});

test("400 is the SDK's error with message and details", async () => {
  await assert.rejects(
    client.customers.createCustomer({ externalId: newExternalId(), name: "Acme", email: "x@localhost" }),
    (error) => {
      assert.ok(error instanceof ErrorsErrorsErrorResponse, error);
      assert.ok(error instanceof FlexPriceError);
      assert.equal(error.statusCode, 400);
      assert.equal(error.success, false);
      assert.ok(error.error.message.length > 0);
      assert.equal(error.message, error.error.message);
      assert.equal(typeof error.error.internalError, "string");
      const body = JSON.parse(error.body);
      assert.equal(body.code, "validation_error");
      assert.deepEqual(Object.keys(body.details), ["email"]);
      return true;
    },
  );
});

test("a missing name is a 400 of the server, not of the SDK", async () => {
  await assert.rejects(client.customers.createCustomer({ externalId: newExternalId() }), (error) => {
    assert.ok(error instanceof ErrorsErrorsErrorResponse, error);
    assert.equal(error.statusCode, 400);
    assert.deepEqual(Object.keys(JSON.parse(error.body).details), ["name"]);
    return true;
  });
});

test("404 by external id is the SDK's error", async () => {
  await assert.rejects(client.customers.getCustomerByExternalId("nobody"), (error) => {
    assert.ok(error instanceof ErrorsErrorsErrorResponse, error);
    assert.equal(error.statusCode, 404);
    assert.equal(error.success, false);
    assert.equal(JSON.parse(error.body).details.lookup_key, "nobody");
    return true;
  });
});

// For a status that an operation does not describe, the SDK has one fallback class.
async function assertFallback(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof SDKError, error);
    assert.ok(error instanceof FlexPriceError);
    assert.equal(error.statusCode, status);
    const body = JSON.parse(error.body);
    assert.equal(body.code, code);
    assert.equal(body.http_status_code, status);
    return true;
  });
}

test("404 by id", async () => {
  await assertFallback(client.customers.getCustomer("cust_01KDVDNA00QX7M3T9B2E5H8JZK"), 404, "not_found");
});

test("409", async () => {
  const request = { externalId: newExternalId(), name: "Acme" };
  await client.customers.createCustomer(request);
  await assertFallback(client.customers.createCustomer(request), 409, "already_exists");
});

test("401", async () => {
  const stranger = new Flexprice({ serverURL, apiKeyAuth: "sk_01ARZ3NDEKTSV4RRFFQ69G5FAV" });
  await assertFallback(stranger.customers.getCustomer("cust_x"), 401, "permission_denied");
  const nobody = new Flexprice({ serverURL });
  await assertFallback(nobody.customers.getCustomer("cust_x"), 401, "permission_denied");
});
