import pytest

from retrieval.masking import MASK, iban_valid, luhn_valid, mask, mask_values


@pytest.mark.parametrize(
    ("text", "hidden", "kind"),
    [
        ("card 4111 1111 1111 1111 used", "4111 1111 1111 1111", "card"),
        ("card 4111111111111111.", "4111111111111111", "card"),
        ("amex 378282246310005 x", "378282246310005", "card"),
        ("to DE89 3704 0044 0532 0130 00 on Monday", "DE89 3704 0044 0532 0130 00", "iban"),
        ("to GB29NWBK60161331926819.", "GB29NWBK60161331926819", "iban"),
        ("wrote from a.b+c@mail.example.org today", "a.b+c@mail.example.org", "email"),
        ("called +49 170 1234567 twice", "+49 170 1234567", "phone"),
    ],
)
def test_hides_private_numbers_without_moving_anything(text: str, hidden: str, kind: str) -> None:
    masked = mask(text)
    assert masked.text == text.replace(hidden, MASK * len(hidden))
    assert masked.counts == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "transaction T00012345 of 1,234,567.89 EUR",
        "account C1231006815 and M1979787155",
        "run 0123456789abcdef0123456789abcdef",
        "4111 1111 1111 1112 fails the check",
        "on 2026-07-04 at 16:30:00 step 743",
        "DE00370400440532013000 fails the check",
        "user @ home",
    ],
)
def test_leaves_other_numbers_alone(text: str) -> None:
    assert mask(text).text == text


def test_checks() -> None:
    assert luhn_valid("79927398713") and not luhn_valid("79927398710")
    assert iban_valid("GB82WEST12345698765432") and not iban_valid("GB82WEST12345698765431")


def test_metadata_values_are_masked_inside_lists() -> None:
    assert mask_values({"a": ["x@y.de", 5], "b": {"c": "plain"}}) == {"a": [MASK * 6, 5], "b": {"c": "plain"}}
