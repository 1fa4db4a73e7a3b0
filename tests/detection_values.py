"""Values for the corpus of detection: generators of one value each. The words are its own."""

# ruff: noqa: E501  a generator a line

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta

Make = Callable[[random.Random], str]


FIRST = [
    "Sophie",
    "Liam",
    "Noor",
    "Lucas",
    "Emma",
    "Daniel",
    "Fatima",
    "Mohammed",
    "Anna",
    "Peter",
    "Maria",
    "John",
    "Sarah",
    "David",
    "Julia",
    "Thomas",
    "Ewa",
    "Piotr",
    "Ingrid",
    "Lars",
    "Carlos",
    "Lucia",
    "Giulia",
    "Marco",
    "Chen",
    "Yuki",
    "Priya",
    "Rahul",
    "Olga",
    "Ivan",
    "Zoltan",
    "Bence",
    "Ottoline",
    "Thandiwe",
    "Kwame",
    "Aoife",
    "Niamh",
    "Saoirse",
    "Beatriz",
    "Rui",
    "Hanna",
    "Michael",
    "Laura",
    "Robert",
    "Elena",
    "Andreas",
    "Katarina",
    "Martin",
    "Nina",
    "Paul",
]
LAST = [
    "Jansen",
    "Bakker",
    "Smith",
    "Jones",
    "Müller",
    "Schmidt",
    "Garcia",
    "Martinez",
    "Rossi",
    "Bianchi",
    "Kowalski",
    "Nowak",
    "Andersson",
    "Dubois",
    "Lambert",
    "Okafor",
    "Nakamura",
    "Petrenko",
    "Szabo",
    "Horvat",
    "O'Brien",
    "Fitzgerald",
    "Ndlovu",
    "Lindqvist",
    "Haugen",
    "Patel",
    "Singh",
    "Wang",
    "Nguyen",
    "Silva",
    "Costa",
    "Peeters",
    "Willems",
    "Keller",
    "Wagner",
    "Brown",
    "Wilson",
    "Taylor",
    "Moore",
    "Clark",
]
WORDS = [
    "amber",
    "river",
    "stone",
    "cloud",
    "table",
    "copper",
    "garden",
    "window",
    "silver",
    "market",
    "bridge",
    "orange",
    "basket",
    "candle",
    "forest",
    "harbor",
    "lantern",
    "meadow",
    "pepper",
    "rocket",
    "saddle",
    "timber",
    "valley",
    "whistle",
    "velvet",
]
STREETS = [
    "Maple",
    "Oak",
    "Church",
    "Station",
    "Mill",
    "Park",
    "Victoria",
    "High",
    "Lincoln",
    "Washington",
    "Cedar",
    "Elm",
]
COUNTRIES = """Netherlands|Germany|France|Spain|Italy|Poland|Belgium|Austria|Sweden|Norway|Denmark|Finland|Portugal
|Ireland|Greece|United States|Canada|Mexico|Brazil|Japan|China|India|Australia|South Africa""".replace(
    "\n", ""
).split("|")
ISO2 = [
    "NL",
    "DE",
    "FR",
    "ES",
    "IT",
    "PL",
    "BE",
    "AT",
    "SE",
    "NO",
    "DK",
    "FI",
    "PT",
    "IE",
    "GR",
    "US",
    "CA",
    "MX",
    "BR",
    "JP",
    "CN",
    "IN",
    "AU",
    "ZA",
]
ISO3 = [
    "NLD",
    "DEU",
    "FRA",
    "ESP",
    "ITA",
    "POL",
    "BEL",
    "AUT",
    "SWE",
    "NOR",
    "DNK",
    "FIN",
    "PRT",
    "IRL",
    "GRC",
    "USA",
    "CAN",
    "MEX",
    "BRA",
    "JPN",
    "CHN",
    "IND",
    "AUS",
    "ZAF",
]
MONEY = ["EUR", "USD", "GBP", "JPY", "CHF", "SEK", "PLN", "CAD", "AUD", "NOK"]
LANGS = ["en", "de", "fr", "es", "it", "nl", "pl", "pt", "sv", "da", "fi", "ja", "zh"]
STATES = [
    "AL",
    "AK",
    "AZ",
    "CA",
    "CO",
    "CT",
    "DE",
    "FL",
    "GA",
    "IL",
    "IN",
    "KS",
    "KY",
    "LA",
    "MA",
    "MD",
    "ME",
    "MI",
    "MN",
    "MO",
    "MT",
    "NC",
    "NE",
    "NV",
    "NY",
    "OH",
    "OR",
    "PA",
    "SC",
    "TX",
    "UT",
    "VA",
    "WA",
]


def digits(rng: random.Random, n: int, first: str = string.digits) -> str:
    return rng.choice(first) + "".join(rng.choice(string.digits) for _ in range(n - 1))


def luhn(payload: str) -> str:
    total = 0
    for i, c in enumerate(reversed(payload)):
        n = int(c) * (2 if i % 2 == 0 else 1)
        total += n - 9 if n > 9 else n
    return payload + str(-total % 10)


def no_luhn(payload: str) -> str:
    right = luhn(payload)
    return payload + str((int(right[-1]) + 3) % 10)


def iban(rng: random.Random, country: str) -> str:
    bban = {"NL": lambda: rng.choice(["ABNA", "INGB", "RABO"]) + digits(rng, 10), "DE": lambda: digits(rng, 18),
            "GB": lambda: "NWBK" + digits(rng, 14), "AT": lambda: digits(rng, 16)}[country]()  # fmt: skip
    number = "".join(str(int(c, 36)) for c in bban + country + "00")
    return f"{country}{98 - int(number) % 97:02}{bban}"


def fours(text: str, mark: str = " ") -> str:
    return mark.join(text[i : i + 4] for i in range(0, len(text), 4))


def bsn(rng: random.Random) -> str:
    while True:
        head = digits(rng, 8, "123456789")
        last = sum((9 - i) * int(c) for i, c in enumerate(head)) % 11
        if last < 10:
            return head + str(last)


def vat_nl(rng: random.Random) -> str:
    while True:
        head = digits(rng, 8)
        check = sum((9 - i) * int(c) for i, c in enumerate(head)) % 11
        if check < 10 and int(head):
            return f"NL{head}{check}B{rng.randint(1, 99):02}"


def vat_de(rng: random.Random) -> str:
    head = digits(rng, 8, "123456789")
    p = 10
    for c in head:
        s = (int(c) + p) % 10 or 10
        p = 2 * s % 11
    return f"DE{head}{(11 - p) % 10}"


def vat_be(rng: random.Random) -> str:
    head = int("0" + digits(rng, 7, "456789"))
    return f"BE0{head:07}{97 - head % 97:02}"


def vat_it(rng: random.Random) -> str:
    return "IT" + luhn(digits(rng, 7) + "015")


def dni(rng: random.Random) -> str:
    n = rng.randint(10_000_000, 99_999_999)
    return f"{n}{'TRWAGMYFPDXBNJZSQVHLCKE'[n % 23]}"


def cpf(rng: random.Random) -> str:
    d = [rng.randint(0, 9) for _ in range(9)]
    for n in (10, 11):
        d.append((10 * sum((n - i) * x for i, x in enumerate(d))) % 11 % 10)
    s = "".join(map(str, d))
    return f"{s[:3]}.{s[3:6]}.{s[6:9]}-{s[9:]}"


def ssn(rng: random.Random) -> str:
    return f"{rng.choice([1, 2, 3, 4, 5, 7, 8]) * 100 + rng.randint(1, 64):03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def pesel(rng: random.Random) -> str:
    born = date(1940, 1, 1) + timedelta(days=rng.randint(0, 21_000))
    head = f"{born:%y%m%d}{rng.randint(0, 9999):04}"
    check = sum(int(c) * w for c, w in zip(head, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True))
    return head + str(-check % 10)


def day(rng: random.Random) -> date:
    return date(2001, 1, 1) + timedelta(days=rng.randint(0, 8_800))


def moment(rng: random.Random) -> datetime:
    return datetime.combine(day(rng), datetime.min.time()) + timedelta(
        seconds=rng.randint(0, 86_399), microseconds=rng.randint(1, 999_999)
    )


def german(x: float, group: bool = True) -> str:
    text = f"{x:,.2f}" if group else f"{x:.2f}"
    return text.replace(",", "_").replace(".", ",").replace("_", ".")


def dated(form: str) -> Make:
    return lambda r: day(r).strftime(form)


def timed(form: str) -> Make:
    return lambda r: moment(r).strftime(form)


def one_of(*words: str) -> Make:
    return lambda r: r.choice(words)


def person(rng: random.Random) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def mail(rng: random.Random) -> str:
    user = rng.choice(FIRST).lower() + rng.choice([".", "_", ""]) + rng.choice(WORDS)
    return f"{user}{rng.randint(1, 99)}@{rng.choice(WORDS)}.{rng.choice(['com', 'nl', 'co.uk', 'org', 'de'])}"


def street(rng: random.Random) -> str:
    kind = rng.choice(["Street", "Ave", "Road", "Lane", "Blvd", "Drive", "St."])
    return f"{rng.randint(1, 9999)} {rng.choice(STREETS)} {kind}" + rng.choice(
        ["", "", ", Apt 4B", " Suite 12"]
    )


def dutch_street(rng: random.Random) -> str:
    return f"{rng.choice(['Kerk', 'Dorps', 'Molen', 'Hoofd', 'Linden'])}{rng.choice(['straat', 'laan', 'weg'])} {rng.randint(1, 400)}{rng.choice(['', 'a', ' B'])}"


def german_street(rng: random.Random) -> str:
    return f"{rng.choice(['Goethe', 'Haupt', 'Bahnhof', 'Schiller'])}{rng.choice(['straße', 'str.', 'allee'])} {rng.randint(1, 200)}"


def french_street(rng: random.Random) -> str:
    return f"{rng.randint(1, 200)} {rng.choice(['rue', 'avenue', 'boulevard'])} {rng.choice(['de la Paix', 'Victor Hugo', 'des Lilas'])}"


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(4, 12))) + "."


def phone_nl(rng: random.Random) -> str:
    return "+31 6 " + digits(rng, 8, "12345")


def letters(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(n))


def postcode_uk(rng: random.Random) -> str:
    return f"{rng.choice(['SW', 'M', 'LS', 'EH', 'B', 'CF'])}{rng.randint(1, 20)} {rng.randint(1, 9)}{rng.choice('ABDEFGHJ')}{rng.choice('LNPQRST')}"


def ipv4(rng: random.Random) -> str:
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def ipv6(rng: random.Random) -> str:
    parts = [f"{rng.randint(0, 0xFFFF):x}" for _ in range(8)]
    if rng.random() < 0.4:
        return "2001:db8::" + ":".join(parts[:3])
    return ":".join(parts)


def version(rng: random.Random) -> str:
    return ".".join(str(rng.randint(0, 20)) for _ in range(4))


def version3(rng: random.Random) -> str:
    return ".".join(str(rng.randint(0, 30)) for _ in range(3))


def place(rng: random.Random) -> str:
    return f"{rng.uniform(-80, 80):.5f}, {rng.uniform(-170, 170):.5f}"


def uuid4(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def hexes(n: int) -> Make:
    return lambda r: "".join(r.choice("0123456789abcdef") for _ in range(n))
