"""BERT's rules for text in front of WordPiece, with or without the places of characters.

A text is cut into chunks: at white space, and around Chinese characters. Each chunk is normalised:
control characters are removed, letters are lowered, and accents are stripped. Then each punctuation
mark in it is a word of its own. No rule reaches from one chunk into another.

The tables of code points are frozen from Unicode 14.0 (Python 3.11), and the punctuation from 16.0,
which TensorFlow Text knows, so that every Python version and the graph agree.
`python -m albert_tf.tokenization.wordpiece_rules` prints those of the running Python.

Source: tokenization.py:BasicTokenizer of google-research/albert.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from typing import NamedTuple

from albert_tf.tokenization.settings import Preprocessing

# The categories Cc and Cf, and U+FFFD. Lone surrogates, which UTF-8 cannot encode, are U+FFFD.
REMOVED = """
0000-0008 000B-000C 000E-001F 007F-009F 00AD 0600-0605 061C 06DD 070F 0890-0891 08E2 180E 200B-200F
202A-202E 2060-2064 2066-206F FEFF FFF9-FFFB FFFD 110BD 110CD 13430-13438 1BCA0-1BCA3 1D173-1D17A
E0001 E0020-E007F
"""
# The category Zs, and the line separators, at which str.split cuts.
WHITE_SPACE = "0009-000A 000D 0020 00A0 1680 2000-200A 2028-2029 202F 205F 3000"
# The blocks of Chinese characters that BERT sets apart; Kana and Hangul are not among them.
CHINESE = "3400-4DBF 4E00-9FFF F900-FAFF 20000-2A6DF 2A700-2CEAF 2F800-2FA1F"
# The category Mn.
MARKS = """
0300-036F 0483-0487 0591-05BD 05BF 05C1-05C2 05C4-05C5 05C7 0610-061A 064B-065F 0670 06D6-06DC
06DF-06E4 06E7-06E8 06EA-06ED 0711 0730-074A 07A6-07B0 07EB-07F3 07FD 0816-0819 081B-0823 0825-0827
0829-082D 0859-085B 0898-089F 08CA-08E1 08E3-0902 093A 093C 0941-0948 094D 0951-0957 0962-0963 0981
09BC 09C1-09C4 09CD 09E2-09E3 09FE 0A01-0A02 0A3C 0A41-0A42 0A47-0A48 0A4B-0A4D 0A51 0A70-0A71 0A75
0A81-0A82 0ABC 0AC1-0AC5 0AC7-0AC8 0ACD 0AE2-0AE3 0AFA-0AFF 0B01 0B3C 0B3F 0B41-0B44 0B4D 0B55-0B56
0B62-0B63 0B82 0BC0 0BCD 0C00 0C04 0C3C 0C3E-0C40 0C46-0C48 0C4A-0C4D 0C55-0C56 0C62-0C63 0C81 0CBC
0CBF 0CC6 0CCC-0CCD 0CE2-0CE3 0D00-0D01 0D3B-0D3C 0D41-0D44 0D4D 0D62-0D63 0D81 0DCA 0DD2-0DD4 0DD6
0E31 0E34-0E3A 0E47-0E4E 0EB1 0EB4-0EBC 0EC8-0ECD 0F18-0F19 0F35 0F37 0F39 0F71-0F7E 0F80-0F84
0F86-0F87 0F8D-0F97 0F99-0FBC 0FC6 102D-1030 1032-1037 1039-103A 103D-103E 1058-1059 105E-1060
1071-1074 1082 1085-1086 108D 109D 135D-135F 1712-1714 1732-1733 1752-1753 1772-1773 17B4-17B5
17B7-17BD 17C6 17C9-17D3 17DD 180B-180D 180F 1885-1886 18A9 1920-1922 1927-1928 1932 1939-193B
1A17-1A18 1A1B 1A56 1A58-1A5E 1A60 1A62 1A65-1A6C 1A73-1A7C 1A7F 1AB0-1ABD 1ABF-1ACE 1B00-1B03 1B34
1B36-1B3A 1B3C 1B42 1B6B-1B73 1B80-1B81 1BA2-1BA5 1BA8-1BA9 1BAB-1BAD 1BE6 1BE8-1BE9 1BED 1BEF-1BF1
1C2C-1C33 1C36-1C37 1CD0-1CD2 1CD4-1CE0 1CE2-1CE8 1CED 1CF4 1CF8-1CF9 1DC0-1DFF 20D0-20DC 20E1
20E5-20F0 2CEF-2CF1 2D7F 2DE0-2DFF 302A-302D 3099-309A A66F A674-A67D A69E-A69F A6F0-A6F1 A802 A806
A80B A825-A826 A82C A8C4-A8C5 A8E0-A8F1 A8FF A926-A92D A947-A951 A980-A982 A9B3 A9B6-A9B9 A9BC-A9BD
A9E5 AA29-AA2E AA31-AA32 AA35-AA36 AA43 AA4C AA7C AAB0 AAB2-AAB4 AAB7-AAB8 AABE-AABF AAC1 AAEC-AAED
AAF6 ABE5 ABE8 ABED FB1E FE00-FE0F FE20-FE2F 101FD 102E0 10376-1037A 10A01-10A03 10A05-10A06
10A0C-10A0F 10A38-10A3A 10A3F 10AE5-10AE6 10D24-10D27 10EAB-10EAC 10F46-10F50 10F82-10F85 11001
11038-11046 11070 11073-11074 1107F-11081 110B3-110B6 110B9-110BA 110C2 11100-11102 11127-1112B
1112D-11134 11173 11180-11181 111B6-111BE 111C9-111CC 111CF 1122F-11231 11234 11236-11237 1123E
112DF 112E3-112EA 11300-11301 1133B-1133C 11340 11366-1136C 11370-11374 11438-1143F 11442-11444
11446 1145E 114B3-114B8 114BA 114BF-114C0 114C2-114C3 115B2-115B5 115BC-115BD 115BF-115C0
115DC-115DD 11633-1163A 1163D 1163F-11640 116AB 116AD 116B0-116B5 116B7 1171D-1171F 11722-11725
11727-1172B 1182F-11837 11839-1183A 1193B-1193C 1193E 11943 119D4-119D7 119DA-119DB 119E0
11A01-11A0A 11A33-11A38 11A3B-11A3E 11A47 11A51-11A56 11A59-11A5B 11A8A-11A96 11A98-11A99
11C30-11C36 11C38-11C3D 11C3F 11C92-11CA7 11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A
11D3C-11D3D 11D3F-11D45 11D47 11D90-11D91 11D95 11D97 11EF3-11EF4 16AF0-16AF4 16B30-16B36 16F4F
16F8F-16F92 16FE4 1BC9D-1BC9E 1CF00-1CF2D 1CF30-1CF46 1D167-1D169 1D17B-1D182 1D185-1D18B
1D1AA-1D1AD 1D242-1D244 1DA00-1DA36 1DA3B-1DA6C 1DA75 1DA84 1DA9B-1DA9F 1DAA1-1DAAF 1E000-1E006
1E008-1E018 1E01B-1E021 1E023-1E024 1E026-1E02A 1E130-1E136 1E2AE 1E2EC-1E2EF 1E8D0-1E8D6
1E944-1E94A E0100-E01EF
"""
# The category P, and all other ASCII signs.
PUNCTUATION = """
0021-002F 003A-0040 005B-0060 007B-007E 00A1 00A7 00AB 00B6-00B7 00BB 00BF 037E 0387 055A-055F
0589-058A 05BE 05C0 05C3 05C6 05F3-05F4 0609-060A 060C-060D 061B 061D-061F 066A-066D 06D4 0700-070D
07F7-07F9 0830-083E 085E 0964-0965 0970 09FD 0A76 0AF0 0C77 0C84 0DF4 0E4F 0E5A-0E5B 0F04-0F12 0F14
0F3A-0F3D 0F85 0FD0-0FD4 0FD9-0FDA 104A-104F 10FB 1360-1368 1400 166E 169B-169C 16EB-16ED 1735-1736
17D4-17D6 17D8-17DA 1800-180A 1944-1945 1A1E-1A1F 1AA0-1AA6 1AA8-1AAD 1B4E-1B4F 1B5A-1B60 1B7D-1B7F
1BFC-1BFF 1C3B-1C3F 1C7E-1C7F 1CC0-1CC7 1CD3 2010-2027 2030-2043 2045-2051 2053-205E 207D-207E
208D-208E 2308-230B 2329-232A 2768-2775 27C5-27C6 27E6-27EF 2983-2998 29D8-29DB 29FC-29FD 2CF9-2CFC
2CFE-2CFF 2D70 2E00-2E2E 2E30-2E4F 2E52-2E5D 3001-3003 3008-3011 3014-301F 3030 303D 30A0 30FB
A4FE-A4FF A60D-A60F A673 A67E A6F2-A6F7 A874-A877 A8CE-A8CF A8F8-A8FA A8FC A92E-A92F A95F A9C1-A9CD
A9DE-A9DF AA5C-AA5F AADE-AADF AAF0-AAF1 ABEB FD3E-FD3F FE10-FE19 FE30-FE52 FE54-FE61 FE63 FE68
FE6A-FE6B FF01-FF03 FF05-FF0A FF0C-FF0F FF1A-FF1B FF1F-FF20 FF3B-FF3D FF3F FF5B FF5D FF5F-FF65
10100-10102 1039F 103D0 1056F 10857 1091F 1093F 10A50-10A58 10A7F 10AF0-10AF6 10B39-10B3F
10B99-10B9C 10D6E 10EAD 10F55-10F59 10F86-10F89 11047-1104D 110BB-110BC 110BE-110C1 11140-11143
11174-11175 111C5-111C8 111CD 111DB 111DD-111DF 11238-1123D 112A9 113D4-113D5 113D7-113D8
1144B-1144F 1145A-1145B 1145D 114C6 115C1-115D7 11641-11643 11660-1166C 116B9 1173C-1173E 1183B
11944-11946 119E2 11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11B00-11B09 11BE1 11C41-11C45 11C70-11C71
11EF7-11EF8 11F43-11F4F 11FFF 12470-12474 12FF1-12FF2 16A6E-16A6F 16AF5 16B37-16B3B 16B44
16D6D-16D6F 16E97-16E9A 16FE2 1BC9F 1DA87-1DA8B 1E5FF 1E95E-1E95F
"""


def character_class(tables: str, escape: str) -> str:
    """Returns the inside of a character class; `escape` formats a code point, as "\\\\U%08x"."""
    return "".join(
        "-".join(escape % int(end, 16) for end in span.split("-")) for span in tables.split()
    )


def _compiled(pattern: str, **tables: str) -> re.Pattern[str]:
    classes = {name: character_class(table, "\\U%08x") for name, table in tables.items()}
    return re.compile(pattern.format(**classes))


_REMOVED = _compiled("[{removed}]", removed=f"{REMOVED} D800-DFFF")
_MARKS = _compiled("[{marks}]", marks=MARKS)
_WORDS = _compiled("[{alone}]|[^{alone}]+", alone=PUNCTUATION)
_CHUNKS = {
    True: _compiled("[{chinese}]|[^{chinese}{white}]+", chinese=CHINESE, white=WHITE_SPACE),
    False: _compiled("[^{white}]+", white=WHITE_SPACE),
}
_LONG = 1000  # characters of a chunk, whose marks are stripped first: NFD takes n^2 steps for n.


class Word(NamedTuple):
    """A word of a chunk.

    Attributes:
      text: the normalised text.
      starts: for each of its characters, where its source begins in the chunk.
      ends: for each of its characters, where its source ends in the chunk. The source is a
        character with the accents after it that are stripped.
    """

    text: str
    starts: list[int]
    ends: list[int]


class Rules:
    """The rules with the settings of a vocabulary.

    Args:
      settings: whether letters are lowered, accents kept, and Chinese characters set apart.
    """

    def __init__(self, settings: Preprocessing) -> None:
        self._lower_case, self._keep_accents = settings.lower_case, settings.keep_accents
        self._chunks = _CHUNKS[settings.tokenize_chinese_chars]
        self._length = functools.cache(lambda character: len(self.normalize(character)))

    def chunks(self, text: str) -> list[str]:
        """Returns the chunks of a text."""
        return text.split() if is_plain(text) else self._chunks.findall(text)

    def located_chunks(self, text: str) -> tuple[list[str], list[int]]:
        """Returns the chunks of a text, some of them empty, and where each begins."""
        if is_plain(text):
            chunks = text.split(" ")
            sizes = (len(chunk) + 1 for chunk in chunks)
            return chunks, list(itertools.accumulate(sizes, initial=0))[:-1]
        matches = list(self._chunks.finditer(text))
        return [match.group() for match in matches], [match.start() for match in matches]

    def normalize(self, chunk: str) -> str:
        """Returns the text of a chunk without what is removed, lowered, and without accents."""
        ascii_only = chunk.isascii()
        if not (ascii_only and chunk.isprintable()):
            chunk = _REMOVED.sub("", chunk)
        if self._lower_case:
            chunk = chunk.lower()
        if ascii_only or self._keep_accents:
            return chunk
        if len(chunk) > _LONG:
            chunk = _MARKS.sub("", chunk)
        return _MARKS.sub("", unicodedata.normalize("NFD", chunk))

    def words(self, chunk: str) -> list[str]:
        """Returns the words of a chunk."""
        return _WORDS.findall(self.normalize(chunk))

    def located_words(self, chunk: str) -> list[Word]:
        """Returns the words of a chunk with the sources of their characters."""
        sources: list[list[int]] = []  # The start, end and normalised length of each.
        for place, character in enumerate(chunk):
            if length := self._length(character):
                sources.append([place, place + 1, length])
            elif sources and not _REMOVED.match(character):
                sources[-1][1] = place + 1
        starts = [start for start, _, length in sources for _ in range(length)]
        ends = [end for _, end, length in sources for _ in range(length)]
        return [
            Word(match.group(), starts[slice(*match.span())], ends[slice(*match.span())])
            for match in _WORDS.finditer(self.normalize(chunk))
        ]


def is_plain(text: str) -> bool:
    """Returns whether a text has only ASCII characters that are printed; its white space is " "."""
    return text.isascii() and text.isprintable()


def tables_of_this_python() -> dict[str, str]:
    """Returns the tables from the running Python's `unicodedata`, by name."""
    tests = {
        "REMOVED": lambda c: unicodedata.category(c) in ("Cc", "Cf") and c not in "\t\n\r",
        "MARKS": lambda c: unicodedata.category(c) == "Mn",
        "PUNCTUATION": lambda c: unicodedata.category(c)[0] == "P" or "!" <= c <= "~" and not (
            c.isalnum()
        ),
    }  # fmt: skip
    tables = {}
    for name, test in tests.items():
        spans: list[list[int]] = []
        for code in range(0x110000):
            if not test(chr(code)):
                continue
            if spans and spans[-1][1] == code - 1:
                spans[-1][1] = code
            else:
                spans.append([code, code])
        tables[name] = " ".join("-".join(f"{e:04X}" for e in sorted(set(s))) for s in spans)
    return tables


if __name__ == "__main__":
    for name, table in tables_of_this_python().items():
        print(f"{name}\n{table}")
