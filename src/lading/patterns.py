"""What texts look like that can be read as something else: regular expressions that every engine reads alike, so
without quotes, backslashes, and what looks around."""

_DAY = (
    "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|([0-9][0-9](0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29"
)
"""A day that there is, of the years 0000 to 9999."""
_MOMENT = f"({_DAY})[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{{1,6}})?"
_HEX = "[0-9a-fA-F]"

PATTERNS = {
    "number": "-?(0|[1-9][0-9]*)([.][0-9]+)?",
    "date": _DAY,
    "timestamp": _MOMENT,
    "instant": f"{_MOMENT}(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])",
    "uuid": f"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}",
    "bool": "[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|0|1",
}
WHOLE = "0|-?[1-9][0-9]*"
UNSIGNED = "0|[1-9][0-9]*"
DECIMAL = "-?((0|[1-9][0-9]*)([.][0-9]*)?|[.][0-9]+)"
"""Numbers as systems write them: of 05, +5 and 5e2 a number keeps no more than what they say."""
