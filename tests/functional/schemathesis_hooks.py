"""What schemathesis is told of this API beside its document; it loads this file itself."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_it_is(_: schemathesis.SerializationContext, value: object) -> bytes:
    """Lines of text, as the schema says: a text is sent as it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
