"""POST /v1/customers: every rule of its fields, and how a broken one is told."""

import pytest

from expectations import assert_error

VALID = {"external_id": "never stored", "name": "Acme"}


def refuse(api, changes, details=None):
    """Sends a valid body with the given changes, which must be refused. Returns the details."""
    return assert_error(api.post("/v1/customers", {**VALID, **changes}), 400, "validation_error", details)


def accept(api, new_external_id, changes):
    return api.create({"external_id": new_external_id(), "name": "Acme", **changes})


# --- lengths, in code points -----------------------------------------------------------------------------------

LENGTHS = {
    "external_id": 255,
    "name": 255,
    "contact": 20,
    "address_line1": 255,
    "address_line2": 255,
    "address_city": 100,
    "address_state": 100,
    "address_postal_code": 20,
}


@pytest.mark.parametrize("character", ["a", "é", "語", "😀"], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
@pytest.mark.parametrize("field", LENGTHS)
def test_longest_text_is_accepted(api, new_external_id, field, character):
    unique = new_external_id()
    text = (unique if field == "external_id" else "").ljust(LENGTHS[field], character)
    created = accept(api, new_external_id, {field: text})
    assert created[field] == text
    assert api.get(f"/v1/customers/{created['id']}").json()[field] == text


@pytest.mark.parametrize("character", ["a", "é", "語", "😀"], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
@pytest.mark.parametrize("field", LENGTHS)
def test_longer_text_is_refused(api, field, character):
    refuse(api, {field: character * (LENGTHS[field] + 1)}, {field})


def test_longest_email(api, new_external_id):
    email = "a" * 64 + "@" + ".".join(["b" * 63, "c" * 63, "d" * 59, "de"])
    assert len(email) == 255
    assert accept(api, new_external_id, {"email": email})["email"] == email
    refuse(api, {"email": email + "e"}, {"email"})


def test_longer_timezone_is_refused(api):
    refuse(api, {"timezone": "Europe/" + "x" * 44}, {"timezone"})


# --- required --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["external_id", "name"])
@pytest.mark.parametrize("value", ["", None])
def test_required_text(api, field, value):
    refuse(api, {field: value}, {field})


@pytest.mark.parametrize("field", ["external_id", "name"])
def test_required_key(api, field):
    body = {key: value for key, value in VALID.items() if key != field}
    assert_error(api.post("/v1/customers", body), 400, "validation_error", {field})


@pytest.mark.parametrize("body", [{}, b"null", {"unknown": 1}])
def test_empty_object_and_null_lack_both(api, body):
    assert_error(api.post("/v1/customers", body), 400, "validation_error", {"external_id", "name"})


def test_white_space_is_not_empty_and_is_kept(api):
    created = api.create({"external_id": " \t ", "name": " "})
    assert (created["external_id"], created["name"]) == (" \t ", " ")
    assert api.get("/v1/customers/external/%20%09%20").json()["id"] == created["id"]


# --- e-mail ----------------------------------------------------------------------------------------------------

EMAILS = [
    "a@b.c",
    "ap@acme.example",
    "first.last+tag@sub.example.co.uk",
    "!#$%&'*+/=?^_`{|}~-@example.com",
    '"quoted local"@example.com',
    '"a\\"b"@example.com',
    "o'reilly@example.ie",
    "jürgen@exämple.de",
    "用户@例子.公司",
    "a@b-c.de",
    "a@1.b2.co",
    "a@b.c1d",
    "A@B.C",
]
NO_EMAILS = [
    "x@localhost",
    "a@1.2",
    "a@b.c1",
    "a@b.1c",
    "a@b.c-",
    "a@example.com.",
    "a@.example.com",
    "a@b..co",
    "Bob <a@b.co>",
    "<a@b.co>",
    "a@b.co (Bob)",
    "a.@b.co",
    ".a@b.co",
    "a..b@b.co",
    "@b.co",
    "a@",
    "a",
    "@",
    "a@b@c.co",
    "a b@c.co",
    " a@b.co",
    "a@b.co ",
    "a@b.co\n",
    "a@b_c.co",
    "a@[1.2.3.4]",
    "a@b.co,c@d.co",
    '"open@b.co',
    "mailto:a@b.co",
    " ",
]


@pytest.mark.parametrize("email", EMAILS)
def test_email_is_accepted_and_kept(api, new_external_id, email):
    assert accept(api, new_external_id, {"email": email})["email"] == email


@pytest.mark.parametrize("email", NO_EMAILS)
def test_email_is_refused(api, email):
    refuse(api, {"email": email}, {"email"})


def test_email_need_not_be_unique(api, new_external_id):
    first, second = (accept(api, new_external_id, {"email": "twin@example.com"}) for _ in range(2))
    assert first["id"] != second["id"]


# --- country: ISO 3166-1 alpha-2 as officially assigned, and XK ------------------------------------------------

COUNTRIES = set(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()
)


def test_every_pair_of_letters_as_country(api, new_external_id):
    assert len(COUNTRIES) == 250
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for code in (first + second for first in letters for second in letters):
        if code in COUNTRIES:
            assert accept(api, new_external_id, {"address_country": code})["address_country"] == code
        else:
            refuse(api, {"address_country": code}, {"address_country"})


@pytest.mark.parametrize("country", ["us", "Us", "USA", "U", "276", " ", "D ", "DE ", "ДЕ", "DEDE", "é"])
def test_country_is_refused(api, country):
    refuse(api, {"address_country": country}, {"address_country"})


# --- time zone -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timezone",
    [
        "Asia/Kolkata",
        "Asia/Calcutta",
        "Europe/Berlin",
        "America/Argentina/ComodRivadavia",
        "Etc/GMT+5",
        "UTC",
        "GMT",
        "EST",
    ],
)
def test_timezone_is_accepted(api, new_external_id, timezone):
    assert accept(api, new_external_id, {"timezone": timezone})["timezone"] == timezone


@pytest.mark.parametrize(
    "timezone",
    [
        "utc",
        "Local",
        "local",
        "localtime",
        "+05:30",
        "UTC+1",
        "Mars/Base",
        "europe/berlin",
        "EUROPE/BERLIN",
        "Europe",
        "Europe/",
        "Europe/Berlin/",
        "/Europe/Berlin",
        "Europe//Berlin",
        "Europe/Berlin ",
        " UTC",
        "./UTC",
        "Europe/../UTC",
        "../zoneinfo/UTC",
        "../../../etc/passwd",
        "/usr/share/zoneinfo/UTC",
        "posix/UTC",
        "right/UTC",
        "posixrules",
        "tzdata.zi",
        "zone.tab",
        "zone1970.tab",
        "iso3166.tab",
        "leap-seconds.list",
        ".",
        " ",
    ],
)
def test_timezone_is_refused(api, timezone):
    refuse(api, {"timezone": timezone}, {"timezone"})


# --- metadata --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        {f"key{number}": "v" for number in range(256)},
        {"k" * 255: "v"},
        {"語" * 255: "v"},
        {"k": "v" * 16384},
        {"k": "é" * 8192},
        {"a": "v" * 16384, "b": "v" * 16384, "c": "v" * 16384, "d": "v" * 16000},
        {" ": " "},
        {"stripe_customer_id": "cus_1", "place_of_supply": "29", "shipping_address_country": "anything"},
    ],
    ids=[
        "256 keys",
        "key of 255",
        "key of 255 code points",
        "16384 bytes",
        "16384 bytes of 2",
        "just under 64 KiB",
        "blank",
        "unchecked",
    ],
)
def test_metadata_up_to_its_limits(api, new_external_id, metadata):
    created = accept(api, new_external_id, {"metadata": metadata})
    assert created["metadata"] == metadata
    assert api.get(f"/v1/customers/{created['id']}").json()["metadata"] == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        {f"key{number}": "v" for number in range(257)},
        {"": "v"},
        {"k" * 256: "v"},
        {"語" * 256: "v"},
        {"k": "v" * 16385},
        {"k": "é" * 8192 + "v"},
        {"a": "v" * 16384, "b": "v" * 16384, "c": "v" * 16384, "d": "v" * 16384},
    ],
    ids=[
        "257 keys",
        "empty key",
        "key of 256",
        "key of 256 code points",
        "16385 bytes",
        "16385 bytes of 2",
        "over 64 KiB",
    ],
)
def test_metadata_over_its_limits(api, metadata):
    details = refuse(api, {"metadata": metadata})
    assert len(details) == 1
    assert all(path.startswith("metadata") for path in details), details


@pytest.mark.parametrize("value", [1, 1.5, True, False, [], ["a"], {}, {"a": "b"}])
def test_metadata_values_are_strings(api, value):
    details = refuse(api, {"metadata": {"good": "x", "bad": value}})
    assert "metadata.bad" in (*details, details.get("field")), details


@pytest.mark.parametrize("metadata", ["text", 1, True, [], [{"a": "b"}]])
def test_metadata_is_an_object(api, metadata):
    details = refuse(api, {"metadata": metadata})
    assert "metadata" in (*details, details.get("field")), details


# --- reserved metadata (India GST) -----------------------------------------------------------------------------

GSTIN = "29QWERT1234P1Z5"


@pytest.mark.parametrize(
    "metadata",
    [
        {"gstin": GSTIN},
        {"gstin": GSTIN.lower()},
        {"gstin": "00AAAAA0000AAZA"},
        {"gstin": ""},
        {"gstin": "   "},
        {"pan": "QWERT1234P"},
        {"pan": "qwert1234p"},
        {"pan": ""},
        {"gstin": GSTIN, "pan": "QWERT1234P"},
        {"gstin": GSTIN, "pan": "qwert1234p"},
        {"gstin": GSTIN.lower(), "pan": "QWERT1234P"},
        {"gstin": GSTIN, "pan": " "},
        {"gstin": "", "pan": "ZXCVB1234P"},
        {"hsn_sac": "1234"},
        {"hsn_sac": "123456"},
        {"hsn_sac": "12345678"},
        {"hsn_sac": ""},
        {"GSTIN": "not reserved"},
        {"Pan": "not reserved"},
    ],
)
def test_reserved_metadata_is_accepted_and_kept_as_sent(api, new_external_id, metadata):
    assert accept(api, new_external_id, {"metadata": metadata})["metadata"] == metadata


@pytest.mark.parametrize(
    "key, value",
    [
        ("gstin", "29QWERT1234P1Z"),
        ("gstin", "29QWERT1234P1Z55"),
        ("gstin", "2QQWERT1234P1Z5"),
        ("gstin", "29QWER11234P1Z5"),
        ("gstin", "29QWERTA234P1Z5"),
        ("gstin", "29QWERT123411Z5"),
        ("gstin", "29QWERT1234P-Z5"),
        ("gstin", "29QWERT1234P1Y5"),
        ("gstin", "29QWERT1234P1Z-"),
        ("gstin", "29QWÉRT1234P1Z5"),
        ("gstin", "x"),
        ("pan", "QWERT1234"),
        ("pan", "QWERT1234PP"),
        ("pan", "QWER11234P"),
        ("pan", "QWERTA234P"),
        ("pan", "QWERT12345"),
        ("pan", "x"),
        ("hsn_sac", "123"),
        ("hsn_sac", "12345"),
        ("hsn_sac", "1234567"),
        ("hsn_sac", "123456789"),
        ("hsn_sac", "12a4"),
        ("hsn_sac", "１２３４"),
    ],
)
def test_reserved_metadata_is_refused(api, key, value):
    details = refuse(api, {"metadata": {key: value}})
    assert f"metadata.{key}" in details, details


def test_pan_must_be_the_one_in_gstin(api):
    details = refuse(api, {"metadata": {"gstin": GSTIN, "pan": "ZXCVB1234P"}})
    assert details["pan_from_gstin"] == "QWERT1234P"


def test_reserved_metadata_is_checked_after_the_fields(api):
    refuse(api, {"email": "x", "metadata": {"gstin": "bad"}}, {"email"})


# --- several at once, and what is not served yet ---------------------------------------------------------------


def test_all_failing_fields_at_once(api):
    body = {
        "email": "x@localhost",
        "address_country": "us",
        "contact": "123456789012345678901",
        "timezone": "utc",
    }
    reply = api.post("/v1/customers", body)
    details = assert_error(
        reply,
        400,
        "validation_error",
        {"external_id", "name", "email", "address_country", "contact", "timezone"},
    )
    assert all(isinstance(reason, str) and reason for reason in details.values())


def test_every_field_failing_at_once(api):
    too_long = {field: "x" * (length + 1) for field, length in LENGTHS.items()}
    bad = {**too_long, "email": "x", "address_country": "xx", "timezone": "x", "metadata": {"": "x"}}
    details = refuse(api, bad)
    assert {path for path in details if not path.startswith("metadata")} == set(bad) - {"metadata"}
    assert any(path.startswith("metadata") for path in details)


TAX_OVERRIDE = {"tax_rate_code": "gst", "currency": "inr", "priority": 1}
MAPPING = {"provider_type": "stripe", "provider_entity_id": "cus_1"}


@pytest.mark.parametrize(
    "field, value",
    [
        ("tax_rate_overrides", [TAX_OVERRIDE]),
        ("tax_rate_overrides", [{}]),
        ("onboarding_workflow_name", "default"),
    ],
)
def test_what_is_not_served_yet_is_refused(api, field, value):
    assert field in refuse(api, {field: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"tax_rate_overrides": []},
        {"tax_rate_overrides": None},
        {"integration_entity_mapping": []},
        {"integration_entity_mapping": None},
        {"onboarding_workflow_name": ""},
        {"onboarding_workflow_name": None},
        {"skip_onboarding_workflow": True},
        {"skip_onboarding_workflow": False},
        {"skip_onboarding_workflow": None},
    ],
)
def test_empty_forms_of_what_is_not_served_yet_are_accepted(api, new_external_id, changes):
    accept(api, new_external_id, changes)


@pytest.mark.parametrize(
    "field",
    ["tax_rate_overrides", "integration_entity_mapping", "onboarding_workflow_name", "skip_onboarding_workflow"],
)
def test_what_is_not_served_yet_has_a_type(api, field):
    details = refuse(api, {field: {"a": "b"}})
    assert field in (*details, details.get("field")), details


def test_unknown_keys_are_ignored(api, shared, new_external_id):
    strange = {
        "id": "cust_mine",
        "tenant_id": "tenant_other",
        "environment_id": "env_other",
        "status": "archived",
        "created_at": "2001-01-01T00:00:00Z",
        "created_by": "user_other",
        "integrations": [MAPPING],
        "parent_customer_id": "cust_parent",
        "parent_customer_external_id": "parent",
        "parent_customer": {"id": "cust_parent"},
        "Name": "Other",
        "EMAIL": "not checked",
        "": 1,
        "unknown": {"deep": [1, 2, {"three": None}]},
    }
    created = accept(api, new_external_id, strange)
    assert created["name"] == "Acme"
    assert created["email"] == ""
    assert created["id"] != "cust_mine"
    assert created["tenant_id"] == shared.credentials.tenant_id
    assert created["environment_id"] == shared.credentials.environment_id
    assert created["status"] == "published"
    assert not created["created_at"].startswith("2001")
    assert "parent_customer_id" not in created


# --- uniqueness ------------------------------------------------------------------------------------------------


def test_external_id_is_unique(api, new_external_id):
    external_id = new_external_id()
    first = api.create({"external_id": external_id, "name": "First"})
    for _ in range(3):
        reply = api.post("/v1/customers", {"external_id": external_id, "name": "Second"})
        assert_error(reply, 409, "already_exists", {"external_id": external_id})
    assert api.get(f"/v1/customers/external/{external_id}").json() == {**first, "integrations": []}


def test_external_id_is_compared_byte_by_byte(api, new_external_id):
    base = new_external_id()
    forms = [base, base.upper(), base + " ", " " + base, base + "\u00e9", base + "e\u0301"]
    created = [api.create({"external_id": form, "name": "Acme"}) for form in forms]
    assert len({customer["id"] for customer in created}) == len(forms)


def test_a_broken_rule_beats_a_taken_external_id(api, new_external_id):
    external_id = new_external_id()
    api.create({"external_id": external_id, "name": "First"})
    refuse(api, {"external_id": external_id, "email": "x"}, {"email"})


def test_a_refused_create_leaves_nothing(api, new_external_id):
    external_id = new_external_id()
    refuse(api, {"external_id": external_id, "email": "x"})
    assert api.get(f"/v1/customers/external/{external_id}").status == 404
    api.create({"external_id": external_id, "name": "Acme"})
