"""Personal data in a message: addresses, numbers of accounts, cards, telephones and persons.

Only what can be told with some certainty: telephone numbers with their country (+44 …), and
national numbers that have two check digits or a form of their own. Names and street addresses
are not looked for: that takes a language model.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from importlib import import_module

_EMAIL = re.compile(r"[\w.+%-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})\b")
_MADE_UP = re.compile(r"(?:^|\.)(?:example\.\w+|\w*\.?(?:test|invalid|example|local))$", re.I)
"""Domains that belong to nobody (RFC 2606)."""
_PHONE = re.compile(r"\+\d[\d ().\-/]{6,}\d")
_CARD = re.compile(
    r"(?<![\w.+-])(?:(?:4\d|5[1-5]|6[05]|35)\d\d(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}(?P=gap)\d{4}"
    r"|3[47]\d\d(?P<other>[ -]?)\d{6}(?P=other)\d{5})(?![\w-]|[ .]\d)"
)
"""As they are printed on cards: the issuer's first digits, in fours (American Express: 4, 6, 5)."""
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_IP = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")

_NATIONAL = {
    "us.ssn": ("a US social security number", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
    "br.cpf": ("a Brazilian CPF", r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])"),
    "it.codicefiscale": ("an Italian codice fiscale", r"\b[A-Z]{6}(?:\d{2}[A-Z]){2}\d{3}[A-Z]\b"),
    "es.dni": ("a Spanish DNI", r"\b\d{8}-?[A-Z]\b"),
    "es.nie": ("a Spanish NIE", r"\b[XYZ]-?\d{7}-?[A-Z]\b"),
    "fr.nir": ("a French NIR", r"\b[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}\b"),
    "ch.ssn": ("a Swiss AHV number", r"\b756\.\d{4}\.\d{4}\.\d{2}\b"),
    "se.personnummer": ("a Swedish personnummer", r"(?<![\w-])(?:\d{2})?\d{6}[-+]\d{4}(?![\w-])"),
    "fi.hetu": ("a Finnish HETU", r"(?<![\w-])\d{6}[-+A]\d{3}[0-9A-Y]\b"),
    "cn.ric": ("a Chinese identity number", r"\b[1-9]\d{16}[\dX]\b"),
}  # fmt: skip
"""Module of stdnum: what it is, and how it is written."""


class PersonalData:
    """Looks for forms first; a library then says whether the number is one."""

    # Addresses, and rows of digits that may have spaces, dots and the like between them.
    trigger = (
        r"@|\d(?:[ ().\-/]{0,2}\d){6}|[A-Z]{2}\d{2}[ A-Z0-9]{8}|[A-Z]{6}\d{2}[A-Z]\d{2}"
        r"|\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d"
    )

    def __init__(self) -> None:
        self._national = [
            (each, what, re.compile(form)) for each, (what, form) in _NATIONAL.items()
        ]

    def find(self, place: str, role: str, text: str) -> Iterator[tuple[str, str]]:
        """Yield what a message holds, by kind."""
        if "@" in text and any(not _MADE_UP.search(found[1]) for found in _EMAIL.finditer(text)):
            yield "personal.email", "holds an e-mail address"
        if not any(map(str.isdigit, text)):
            return
        if "+" in text and _PHONE.search(text) and _has_phone(text):
            yield "personal.phone", "holds a telephone number"
        if any(_is_card(found[0]) for found in _CARD.finditer(text)):
            yield "personal.card", "holds the number of a payment card"
        if any(map(_valid("iban"), _IBAN.findall(text))):
            yield "personal.iban", "holds a bank account number (IBAN)"
        if any(map(_is_public_ip, _IP.findall(text))):
            yield "personal.ip", "holds a public IP address"
        for module, what, form in self._national:
            if any(map(_valid(module), form.findall(text))):
                yield "personal.number", f"holds {what}"

    def end(self) -> Iterator[tuple[str, str]]:
        """Yield nothing: each was said where it stands."""
        yield from ()


def _has_phone(text: str) -> bool:
    from phonenumbers import PhoneNumberMatcher

    return any(True for _ in PhoneNumberMatcher(text, None))


def _is_card(text: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", text)
    return bool(luhn.is_valid(digits))


def _is_public_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    # 1.2.3.4 is more often a version; no address with a part below ten at each place is told.
    return address.is_global and any(int(part) > 9 for part in text.split("."))


def _valid(module: str) -> Callable[[str], bool]:
    def is_valid(text: str) -> bool:
        return bool(import_module(f"stdnum.{module}").is_valid(text))

    return is_valid
