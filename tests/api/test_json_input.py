"""What is read as JSON, and how (strict RFC 8259; UTF-8; nesting up to 64)."""

import pytest

from expectations import assert_error


def body_of(external_id, extra=b"", name=b'"Acme"'):
    """A create's body, byte by byte."""
    return b'{"external_id":"%s","name":%s%s}' % (external_id.encode(), name, extra)


def post(api, body, **options):
    return api.post("/v1/customers", body, **options)


GOOD = body_of("never stored")

NOT_JSON = {
    "empty": b"",
    "blank": b" \r\n\t",
    "half": GOOD[:-1],
    "one brace": b"{",
    "text after it": GOOD + b"x",
    "second object": GOOD + b"{}",
    "closing brace after it": GOOD + b"}",
    "comma after it": GOOD + b",",
    "NUL after it": GOOD + b"\0",
    "trailing comma": body_of("x", b","),
    "missing comma": body_of("x", b' "email":"a@b.co"'),
    "missing colon": body_of("x", b',"email" "a@b.co"'),
    "missing value": body_of("x", b',"email":'),
    "single quotes": b"{'external_id':'x','name':'y'}",
    "bare key": b'{external_id:"x","name":"y"}',
    "number as key": body_of("x", b',1:"x"'),
    "comment": body_of("x", b"/* comment */"),
    "line comment": GOOD + b"// comment",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "form": b"external_id=x&name=y",
    "NaN": body_of("x", b',"n":NaN'),
    "Infinity": body_of("x", b',"n":-Infinity'),
    "leading zero": body_of("x", b',"n":01'),
    "plus sign": body_of("x", b',"n":+1'),
    "bare point": body_of("x", b',"n":.5'),
    "open point": body_of("x", b',"n":1.'),
    "open exponent": body_of("x", b',"n":1e'),
    "lone minus": body_of("x", b',"n":-'),
    "hexadecimal": body_of("x", b',"n":0x10'),
    "capital True": body_of("x", b',"n":True'),
    "undefined": body_of("x", b',"n":undefined'),
    "raw newline in a string": body_of("x", name=b'"a\nb"'),
    "raw tab in a string": body_of("x", name=b'"a\tb"'),
    "raw 0x1f in a string": body_of("x", name=b'"a\x1fb"'),
    "unknown escape": body_of("x", name=b'"a\\xb"'),
    "short escape": body_of("x", name=b'"a\\u12"'),
    "bad escape digit": body_of("x", name=b'"a\\u12g4"'),
    "open string": b'{"external_id":"x","name":"y',
    "open escape": b'{"external_id":"x","name":"y\\',
    "mismatched brackets": body_of("x", b',"n":[1}'),
    "NUL, raw": body_of("x", name=b'"a\0b"'),
    "NUL, escaped": body_of("x", name=b'"a\\u0000b"'),
    "NUL in an ignored value": body_of("x", b',"n":"\\u0000"'),
    "NUL in an ignored key": body_of("x", b',"\\u0000":1'),
    "lone high surrogate": body_of("x", name=b'"\\ud83d"'),
    "lone low surrogate": body_of("x", name=b'"\\ude00"'),
    "high surrogate and text": body_of("x", name=b'"\\ud83dx"'),
    "two high surrogates": body_of("x", name=b'"\\ud83d\\ud83d"'),
    "byte ff": body_of("x", name=b'"\xff"'),
    "lone continuation": body_of("x", name=b'"\x80"'),
    "truncated sequence": body_of("x", name=b'"\xe6\x97"'),
    "overlong slash": body_of("x", name=b'"\xc0\xaf"'),
    "overlong in three bytes": body_of("x", name=b'"\xe0\x80\xaf"'),
    "UTF-8 surrogate": body_of("x", name=b'"\xed\xa0\x80"'),
    "above U+10FFFF": body_of("x", name=b'"\xf4\x90\x80\x80"'),
    "bad UTF-8 in an ignored value": body_of("x", b',"n":"\xff"'),
    "bad UTF-8 in an ignored key": body_of("x", b',"\xff":1'),
    "bad UTF-8 between tokens": body_of("x", b"\xc2\xa0"),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_not_json_is_refused(api, body):
    assert_error(post(api, body), 400, "validation_error")


def test_the_connection_survives_a_refused_body(api, new_external_id):
    socket_before = None
    for body in (b"{", b"\xff", GOOD + b"x"):
        assert post(api, body).status == 400
        socket_before = socket_before or api.connection.sock
        assert api.connection.sock is socket_before
    assert post(api, body_of(new_external_id())).status == 201
    assert api.connection.sock is socket_before


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b'"text"', b"1", b"-0.0e+1", b"true", b"false"])
def test_top_level_must_be_an_object(api, body):
    assert_error(post(api, body), 400, "validation_error")


TEXT_FIELDS = [
    "external_id",
    "name",
    "email",
    "contact",
    "address_line1",
    "address_line2",
    "address_city",
    "address_state",
    "address_postal_code",
    "address_country",
    "timezone",
]


@pytest.mark.parametrize("value", [b"1", b"1.5", b"true", b"false", b"[]", b'["a"]', b"{}"])
@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_wrong_type_names_the_field(api, field, value):
    body = b'{"external_id":"never stored","name":"Acme","%s":%s}' % (field.encode(), value)
    details = assert_error(post(api, body), 400, "validation_error")
    assert details.get("field") == field, details
    assert details.get("expected") == "string", details


@pytest.mark.parametrize("value", [b'"true"', b"1", b"0", b"[]", b"{}"])
def test_wrong_type_for_a_flag(api, value):
    body = body_of("never stored", b',"skip_onboarding_workflow":' + value)
    details = assert_error(post(api, body), 400, "validation_error")
    assert details.get("field") == "skip_onboarding_workflow", details
    assert details.get("expected") == "boolean", details


GOOD_EXTRAS = {
    "numbers of any size": b',"n":[0,-0,1e400,-1E-400,123456789012345678901234567890.5e+10]',
    "strange key": b',"\\u20ac\\"":1',
    "deep but within the limit": b',"n":' + b"[" * 63 + b"]" * 63,
    "deep objects": b',"n":' + b'{"a":' * 62 + b"{}" + b"}" * 62,
    "many members": b"," + b",".join(b'"k%d":%d' % (number, number) for number in range(5000)),
    "long ignored text": b',"n":"' + b"x" * 100_000 + b'"',
}


@pytest.mark.parametrize("extra", GOOD_EXTRAS.values(), ids=GOOD_EXTRAS.keys())
def test_ignored_values_need_only_be_json(api, new_external_id, extra):
    assert post(api, body_of(new_external_id(), extra)).status == 201


@pytest.mark.parametrize("depth", [64, 65, 1000, 100_000])
@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_nesting_is_limited(api, depth, opening, closing):
    """The body itself is the first level."""
    extra = b',"n":' + opening * (depth - 1) + (b"[]" if opening == b"[" else b"{}") + closing * (depth - 1)
    assert_error(post(api, body_of("never stored", extra)), 400, "validation_error")


def test_white_space_around_is_fine(api, new_external_id):
    body = b' \r\n\t{ "external_id" :\n"%s" ,\t"name": "Acme" } \n\n' % new_external_id().encode()
    assert post(api, body).status == 201


def test_last_duplicate_wins(api, new_external_id):
    external_id = new_external_id()
    body = body_of("first", b',"email":"x","external_id":"%s","email":"a@b.co"' % external_id.encode())
    created = api.create(body)
    assert (created["external_id"], created["email"]) == (external_id, "a@b.co")


def test_last_duplicate_wins_even_when_null(api, new_external_id):
    created = api.create(body_of(new_external_id(), b',"email":"a@b.co","email":null'))
    assert created["email"] == ""


def test_last_duplicate_wins_even_when_bad(api):
    assert_error(post(api, body_of("x", b',"email":"a@b.co","email":"x"')), 400, "validation_error", {"email"})


def test_a_duplicate_may_be_escaped(api, new_external_id):
    assert api.create(body_of(new_external_id(), b',"n\\u0061me":"Last"'))["name"] == "Last"


def test_last_duplicate_wins_in_metadata(api, new_external_id):
    created = api.create(body_of(new_external_id(), b',"metadata":{"a":"1","b":"2","a":"3"}'))
    assert created["metadata"] == {"a": "3", "b": "2"}
    assert api.get(f"/v1/customers/{created['id']}").json()["metadata"] == {"a": "3", "b": "2"}


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "application/json; charset=utf-8", "text/plain", "application/xml", "nonsense"],
)
def test_content_type_is_not_checked(api, new_external_id, content_type):
    headers = {"Content-Type": content_type or ""}
    assert post(api, body_of(new_external_id()), headers=headers).status == 201
