/* What S3 answers in XML, and what it never does. */
#include "cmocka_all.h"

#include "archive/libexpat.h"
#include "archive/s3_document.h"
#include "base/buffer.h"

static struct arena arena;
static struct s3_document document;
static struct buffer found;

static int load(void **state)
{
    struct text reason;

    (void)state;
    return libexpat_load(&arena, &reason) ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    arena_free(&arena);
    buffer_free(&found);
    found = (struct buffer){0};
    return 0;
}

static bool note_object(void *context, struct text name, uint64_t bytes)
{
    buffer_append_format(&found, "%.*s=%llu ", TEXT_FORMAT(name), (unsigned long long)bytes);
    return !context;
}

static bool read_document(const char *xml)
{
    buffer_clear(&found);
    return s3_document_read(text_from_string(xml), &arena, &document, note_object, NULL);
}

static void test_lists(void **state)
{
    static const char xml[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Name>b</Name><Prefix>Key</Prefix><Key>no</Key><IsTruncated>true</IsTruncated>\n"
        "<Contents><Key>a&amp;b</Key><Owner><ID>Key</ID><Size>7</Size></Owner><Size>1</Size></Contents>"
        "<Contents><Size>18446744073709551615</Size><Key>c<!-- -->d</Key></Contents>"
        "<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes>"
        "<NextContinuationToken>1/&lt;=&gt;</NextContinuationToken></ListBucketResult>";

    (void)state;
    assert_true(read_document(xml));
    assert_text(buffer_text(&found), "a&b=1 cd=18446744073709551615 ");
    assert_text(document.is_truncated, "true");
    assert_text(document.continuation_token, "1/<=>");
    assert_false(text_is_set(document.error_code));
    buffer_clear(&found);
    assert_true(s3_document_read(text_from_string(xml), &arena, &document, note_object, &found));
    assert_text(buffer_text(&found), "a&b=1 ");
    assert_true(s3_document_read(text_from_string(xml), &arena, &document, NULL, NULL));
    assert_text(document.continuation_token, "1/<=>");
}

static void test_other_answers(void **state)
{
    (void)state;
    assert_true(read_document("<Error><Code>NoSuchKey</Code><Message>a\nb</Message><Key>k</Key></Error>"));
    assert_text(document.error_code, "NoSuchKey");
    assert_text(document.error_message, "a\nb");
    assert_true(read_document(
        "<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>"));
    assert_text(document.upload_id, "u/1");
    assert_true(
        read_document("<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"));
    assert_text(document.completed_etag, "\"e\"");
    assert_true(read_document("<html><Error><Other/></Error></html>"));
    assert_false(text_is_set(document.error_code));
}

static void test_what_is_none(void **state)
{
    static const char *const documents[] = {
        "",
        "HTTP",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a>&other;</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>",
        "<a123456789012345678901234567890123456789012345678901234567890123/>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size></Size></Contents></ListBucketResult>",
    };
    struct buffer text = {0};

    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        if (read_document(documents[i]))
            fail_msg("%s", documents[i]);
    assert_int_equal(found.length, 0);
    buffer_append(&text, TEXT("<Error><Code>"));
    for (unsigned i = 0; i < 10000; i++)
        buffer_append_char(&text, 'x');
    buffer_append(&text, TEXT("</Code></Error>\0"));
    assert_false(read_document(text.data));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lists, load, clean),
        cmocka_unit_test_setup_teardown(test_other_answers, load, clean),
        cmocka_unit_test_setup_teardown(test_what_is_none, load, clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
