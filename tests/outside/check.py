"""Verifies what the service issues with tools that are not ours. Prints what was found; fails when anything does not hold.

    check.py pdf FILE ROOT [stamped]     pyHanko: signature, coverage, trust, time-stamp
    check.py jwt FILE JWKS-URL           PyJWT: a credential through the published keys
    check.py proof FILE DID-URL          an embedded proof (eddsa-jcs-2022), step by step from the specification
    check.py badge FILE SCHEMA           jsonschema: the payload of a badge against the public schema
"""
import base64
import hashlib
import json
import sys
import urllib.request
from pathlib import Path


def fetch(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def pdf(file, root, stamped=""):
    from pyhanko.keys import load_cert_from_pemder
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.status import SignatureCoverageLevel
    from pyhanko_certvalidator import ValidationContext

    context = ValidationContext(trust_roots=[load_cert_from_pemder(root)], allow_fetching=False)
    with open(file, "rb") as handle:
        reader = PdfFileReader(handle, strict=True)
        assert len(reader.embedded_signatures) == 1, "one signature"
        status = validate_pdf_signature(reader.embedded_signatures[0], context)
        print(status.pretty_print_details())
        assert status.intact and status.valid and status.trusted and status.bottom_line
        assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE, status.coverage
        stamp = status.timestamp_validity
        assert (stamp is not None) == (stamped == "stamped"), "time-stamp"
        if stamp is not None:
            assert stamp.intact and stamp.valid and stamp.trusted, "time-stamp"


def jwt(file, url):
    import jwt as jose

    token = Path(file).read_text().strip()
    header = jose.get_unverified_header(token)
    badge = header["typ"] == "JWT" and set(header) == {"alg", "kid", "typ"}
    assert header["alg"] == "ES256" and (badge or (header["typ"], header["cty"]) == ("vc+jwt", "vc")), header
    if badge:
        # Its key is found at the address that it is named by.
        assert fetch(header["kid"])["kid"] == header["kid"]
    key = jose.PyJWKClient(url).get_signing_key_from_jwt(token)
    # The demo's clock may be ahead of this machine's.
    payload = jose.decode(token, key.key, algorithms=["ES256"], options={"verify_aud": False}, leeway=86_400)
    assert payload["@context"][0] == "https://www.w3.org/ns/credentials/v2" and "vc" not in payload
    print(json.dumps(payload, ensure_ascii=False))


def proof(file, url):
    import base58
    import rfc8785
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    document = json.loads(Path(file).read_text())
    options = document.pop("proof")
    value = options.pop("proofValue")
    assert options["cryptosuite"] == "eddsa-jcs-2022" and value[0] == "z"
    assert document["@context"][: len(options["@context"])] == options["@context"]
    methods = {each["id"]: each for each in fetch(url)["verificationMethod"]}
    key = base58.b58decode(methods[options["verificationMethod"]]["publicKeyMultibase"][1:])
    assert key[:2] == b"\xed\x01"
    hashed = b"".join(hashlib.sha256(rfc8785.dumps(part)).digest() for part in (options, document))
    Ed25519PublicKey.from_public_bytes(key[2:]).verify(base58.b58decode(value[1:]), hashed)
    print(json.dumps(document, ensure_ascii=False))


def badge(file, schema):
    import jsonschema

    payload = Path(file).read_text().strip().split(".")[1]
    credential = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    schema = json.loads(Path(schema).read_text())
    validator = jsonschema.Draft201909Validator(schema, format_checker=jsonschema.FormatChecker())
    for error in validator.iter_errors(credential):
        print(error.json_path, error.message)
        raise SystemExit("the badge is not valid")
    # A check that can't fail is none.
    del credential["credentialSubject"]["achievement"]["criteria"]
    assert list(validator.iter_errors(credential)), "a badge without criteria is valid"
    print("valid")


if __name__ == "__main__":
    {"pdf": pdf, "jwt": jwt, "proof": proof, "badge": badge}[sys.argv[1]](*sys.argv[2:])
