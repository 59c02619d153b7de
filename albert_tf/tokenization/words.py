"""Cuts raw text into words, as the tagging task labels them. There are two rules.

"unicode": a word is a run of letters, digits and marks. Each punctuation mark or symbol is a word
of its own, with the marks that follow it, and so is each character of a script that is written
without spaces. So "Paris." is "Paris" and ".", "don't" is "don", "'" and "t", and "1,000.50" is
five words: a span of characters begins and ends at a word almost wherever people set it.
White space, control characters and invisible marks of direction are in no word.

"white_space": a word is what `str.split` returns.

The tables are frozen from Unicode 14.0 (Python 3.11), so that every Python version and the graph
cut alike. Code points that were not assigned then belong to the symbols if both neighbours do, and
else to words. `python -m albert_tf.tokenization.words` prints `SYMBOLS` for the running Python.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from albert_tf.tokenization import combining_marks

RULES = ("unicode", "white_space")

# The white space of str.split.
_WHITE_SPACE = "0009-000D 001C-0020 0085 00A0 1680 2000-200A 2028-2029 202F 205F 3000"
# White space, control characters, and characters without a width other than joiners.
_BLANKS = "0000-0020 007F-00A0 061C 1680 180E 2000-200B 200E-200F 2028-202F 205F-206F 3000 FEFF"
# Punctuation and symbols: the categories P and S.
SYMBOLS = """
0021-002F 003A-0040 005B-0060 007B-007E 00A1-00A9 00AB-00AC 00AE-00B1 00B4 00B6-00B8 00BB 00BF 00D7
00F7 02C2-02C5 02D2-02DF 02E5-02EB 02ED 02EF-02FF 0375 037E 0384-0385 0387 03F6 0482 055A-055F
0589-058F 05BE 05C0 05C3 05C6 05F3-05F4 0606-060F 061B 061D-061F 066A-066D 06D4 06DE 06E9 06FD-06FE
0700-070D 07F6-07F9 07FE-07FF 0830-083E 085E 0888 0964-0965 0970 09F2-09F3 09FA-09FB 09FD 0A76
0AF0-0AF1 0B70 0BF3-0BFA 0C77 0C7F 0C84 0D4F 0D79 0DF4 0E3F 0E4F 0E5A-0E5B 0F01-0F17 0F1A-0F1F 0F34
0F36 0F38 0F3A-0F3D 0F85 0FBE-0FC5 0FC7-0FDA 104A-104F 109E-109F 10FB 1360-1368 1390-1399 1400
166D-166E 169B-169C 16EB-16ED 1735-1736 17D4-17D6 17D8-17DB 1800-180A 1940-1945 19DE-19FF 1A1E-1A1F
1AA0-1AA6 1AA8-1AAD 1B5A-1B6A 1B74-1B7E 1BFC-1BFF 1C3B-1C3F 1C7E-1C7F 1CC0-1CC7 1CD3 1FBD 1FBF-1FC1
1FCD-1FCF 1FDD-1FDF 1FED-1FEF 1FFD-1FFE 2010-2027 2030-205E 207A-207E 208A-208E 20A0-20C0 2100-2101
2103-2106 2108-2109 2114 2116-2118 211E-2123 2125 2127 2129 212E 213A-213B 2140-2144 214A-214D 214F
218A-244A 249C-24E9 2500-2775 2794-2BFF 2CE5-2CEA 2CF9-2CFC 2CFE-2CFF 2D70 2E00-2E2E 2E30-2FFB
3001-3004 3008-3020 3030 3036-3037 303D-303F 309B-309C 30A0 30FB 3190-3191 3196-319F 31C0-31E3
3200-321E 322A-3247 3250 3260-327F 328A-32B0 32C0-33FF 4DC0-4DFF A490-A4C6 A4FE-A4FF A60D-A60F A673
A67E A6F2-A716 A720-A721 A789-A78A A828-A82B A836-A839 A874-A877 A8CE-A8CF A8F8-A8FA A8FC A92E-A92F
A95F A9C1-A9CD A9DE-A9DF AA5C-AA5F AA77-AA79 AADE-AADF AAF0-AAF1 AB5B AB6A-AB6B ABEB FB29 FBB2-FBC2
FD3E-FD4F FDCF FDFC-FDFF FE10-FE19 FE30-FE6B FF01-FF0F FF1A-FF20 FF3B-FF40 FF5B-FF65 FFE0-FFEE
FFFC-FFFD 10100-10102 10137-1013F 10179-10189 1018C-101FC 1039F 103D0 1056F 10857 10877-10878 1091F
1093F 10A50-10A58 10A7F 10AC8 10AF0-10AF6 10B39-10B3F 10B99-10B9C 10EAD 10F55-10F59 10F86-10F89
11047-1104D 110BB-110BC 110BE-110C1 11140-11143 11174-11175 111C5-111C8 111CD 111DB 111DD-111DF
11238-1123D 112A9 1144B-1144F 1145A-1145D 114C6 115C1-115D7 11641-11643 11660-1166C 116B9
1173C-1173F 1183B 11944-11946 119E2 11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11C41-11C45 11C70-11C71
11EF7-11EF8 11FD5-11FFF 12470-12474 12FF1-12FF2 16A6E-16A6F 16AF5 16B37-16B3F 16B44-16B45
16E97-16E9A 16FE2 1BC9C 1BC9F 1CF50-1D164 1D16A-1D16C 1D183-1D184 1D18C-1D1A9 1D1AE-1D241 1D245
1D300-1D356 1D6C1 1D6DB 1D6FB 1D715 1D735 1D74F 1D76F 1D789 1D7A9 1D7C3 1D800-1D9FF 1DA37-1DA3A
1DA6D-1DA74 1DA76-1DA83 1DA85-1DA8B 1E14F 1E2FF 1E95E-1E95F 1ECAC 1ECB0 1ED2E 1EEF0-1F0F5
1F10D-1FBCA
"""
# Letters of scripts without spaces between words: Thai, Lao, Myanmar, Khmer, and those of Chinese
# and Japanese.
_UNSPACED = """
0E01-0E30 0E32-0E33 0E40-0E46 0E81-0EB0 0EB2-0EB3 0EBD-0EC6 0EDC-0EDF 1000-102A 103F 1050-1055
105A-105D 1061 1065-1066 106E-1070 1075-1081 108E 1780-17B3 3005-3007 3021-3029 3031-3035 3038-303C
3041-3096 309D-309F 30A1-30FA 30FC-30FF 3105-312F 31A0-31BF 31F0-31FF 3400-4DBF 4E00-9FFF A9E0-A9E4
A9E6-A9EF A9FA-A9FE AA60-AA76 AA7A AA7E-AA7F F900-FAFF FF66-FF9F 1AFF0-1B16F 20000-3FFFD
"""
# What belongs to the symbol or letter before it: marks, joiners, and the modifiers of emoji.
_FOLLOWING = f"""
{combining_marks.RANGES}
0E31 0E34-0E37 0E47 0E4C-0E4E 0EB1 0EB4-0EB9 0EBB-0EBC 0ECC-0ECD 102B-1036 1038 103B-103E 1056-1059
105E-1060 1062-1064 1067-106D 1071-1074 1082-108C 108F 109A-109D 17B4-17D1 17D3 200C-200D 20DD-20E0
20E2-20E4 A9E5 AA7B-AA7D FE00-FE0F 1F3FB-1F3FF E0020-E007F E0100-E01EF
"""


class Pattern(NamedTuple):
    """The regular expressions of a rule: for the next word, and for what is between words."""

    word: str
    blank: str


def pattern(rule: str, escape: str) -> Pattern:
    """Returns the regular expressions of a rule.

    Args:
      rule: one of `RULES`.
      escape: how the syntax writes a code point, such as "\\\\U%08x".
    """
    if rule == "white_space":
        white = _class(_WHITE_SPACE, escape)
        return Pattern(f"[^{white}]+", f"[{white}]+")
    blank, alone = _class(_BLANKS, escape), _class(f"{SYMBOLS} {_UNSPACED}", escape)
    following = _class(_FOLLOWING, escape)
    return Pattern(f"[^{blank}{alone}]+|[{alone}][{following}]*", f"[{blank}]+")


def spans(text: str, rule: str) -> list[tuple[int, int]]:
    """Returns where each word of a text begins and ends, in characters."""
    return [match.span() for match in _compiled(rule).finditer(text)]


@functools.cache
def _compiled(rule: str) -> re.Pattern[str]:
    return re.compile(pattern(rule, "\\U%08x").word)


def _class(table: str, escape: str) -> str:
    """Returns the inside of a character class."""
    return "".join(
        "-".join(escape % int(end, 16) for end in span.split("-")) for span in table.split()
    )


def symbols_of_this_python() -> str:
    """Returns the ranges from the running Python's `unicodedata`, in the format of `SYMBOLS`."""
    spans: list[list[int]] = []
    unassigned = True  # Whether all code points since the last range are.
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category[0] not in "PS":
            unassigned &= category == "Cn"
        elif spans and unassigned:
            spans[-1][1] = code
        else:
            spans.append([code, code])
            unassigned = True
    return " ".join("-".join(f"{end:04X}" for end in sorted(set(span))) for span in spans)


if __name__ == "__main__":
    print(symbols_of_this_python())
