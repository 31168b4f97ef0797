"""Values that people and tools write where there is nothing: `<noinput>`, `N/A`, `nan`."""

from __future__ import annotations

import re
import unicodedata

# Without case, spaces, brackets, quotes and stops: what is written in Alpaca and its translations,
# and what pandas, R, spreadsheets and Python write for a missing value.
_NOTHING = frozenset({
    "none", "null", "nil", "nan", "n/a", "n.a", "#n/a", "n/d", "k.a", "n/v",
    "undefined", "notapplicable", "notavailable", "noinput", "noinputs",
    "noinputneeded", "noinputrequired", "noinputprovided", "noinputgiven",
    "noinputnecessary", "inputnotneeded", "inputnotrequired", "nocontext",
    "nocontextneeded", "nocontextprovided", "noadditionalinput", "noadditionalcontext",
    "nooutput", "nooutputs", "nooutputneeded", "nooutputrequired", "nooutputprovided",
    "nooutputgiven", "noresponse", "noanswer", "无输入", "無輸入", "没有输入",
    "沒有輸入", "无需输入",
    "無需輸入", "不需要输入", "不需要輸入", "输入无", "无", "無", "暂无",
    "无输出", "無輸出", "没有输出", "沒有輸出",
    "不适用", "不適用", "入力なし", "入力無し", "出力なし",
    "なし", "該当なし", "입력없음", "출력없음", "없음", "해당없음",
    "sinentrada", "ningunaentrada", "sinsalida", "ningunasalida", "ninguno", "ninguna",
    "noaplica", "noaplicable", "sementrada", "semsaída", "nenhumaentrada", "nenhum",
    "nenhuma", "nãoaplicável", "nãoseaplica", "pasd'entrée", "aucuneentrée",
    "sansentrée", "pasdesortie", "aucunesortie", "aucun", "aucune", "sansobjet",
    "keineeingabe", "keininput", "ohneeingabe", "keineausgabe", "nichtzutreffend",
    "nessuninput", "nessunoutput", "nonapplicabile", "geeninvoer", "geenuitvoer",
    "girdiyok", "brakdanych", "нетввода", "нетвходныхданных", "безввода", "нетвывода",
    "неприменимо", "нямавход", "нямавходниданни", "нямаизход", "žádnývstup",
    "bezvstupu", "žádnývýstup", "eisyötettä", "eitulostetta", "ingeninndata",
    "ingeninput", "ingenutdata", "कोईइनपुटनहीं", "इनपुटनहीं", "কোনোইনপুটনেই",
    "কোনইনপুটনেই", "لايوجدإدخال", "لايوجدمدخلات",
})  # fmt: skip
# Vowel signs and accents as NFKC has them.
_NORMAL = frozenset(unicodedata.normalize("NFKC", word.casefold()) for word in _NOTHING)
_BRACKETS = "<>[]{}()＜＞《》〈〉【】「」『』“”„«»\"'`*_"
_STOPS = ".。!！:：;；,，"


def is_placeholder(text: str) -> bool:
    """Whether a text only says that there is none.

    Case, brackets, quotes, spaces and a stop at the end do not count. `NA` in capitals is one, and
    `Na` is sodium. A text of nothing but white space is none: it is empty.
    """
    bare = unicodedata.normalize("NFKC", text).strip()
    if not bare or len(bare) > 60:
        return False
    bare = bare.strip(_BRACKETS + _STOPS + "/\\ \t\n")
    if bare in ("NA", "N/A"):
        return True
    return re.sub(r"[\s_-]+", "", bare.casefold()) in _NORMAL
