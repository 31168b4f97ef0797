"""Chinese (simplified): measure words, places with their localiser, no spaces."""

from __future__ import annotations

from polypaca.builtin.grammars.model import Grammar, Patterns, Word


def _noun(text: str, measure: str) -> Word:
    return Word(text, forms={"measure": measure})


def _place(text: str, localiser: str = "里") -> Word:
    return Word(text, forms={"at": f"在{text}{localiser}"})


def _words(english: str, chinese: str) -> dict[str, Word]:
    return {
        concept: Word(text) for concept, text in zip(english.split(), chinese.split(), strict=True)
    }


GRAMMAR = Grammar(
    words={
        "animal": {
            "dog": _noun("狗", "条"),
            "cat": _noun("猫", "只"),
            "horse": _noun("马", "匹"),
            "fox": _noun("狐狸", "只"),
            "bear": _noun("熊", "头"),
            "rabbit": _noun("兔子", "只"),
            "owl": _noun("猫头鹰", "只"),
            "goat": _noun("山羊", "只"),
            "duck": _noun("鸭子", "只"),
            "sheep": _noun("绵羊", "只"),
        },
        "thing": {
            "key": _noun("钥匙", "把"),
            "book": _noun("书", "本"),
            "lamp": _noun("台灯", "盏"),
            "clock": _noun("闹钟", "个"),
            "umbrella": _noun("雨伞", "把"),
            "hat": _noun("帽子", "顶"),
            "map": _noun("地图", "张"),
            "bag": _noun("手提包", "个"),
            "knife": _noun("小刀", "把"),
            "bicycle": _noun("自行车", "辆"),
        },
        "topic": _words(
            "trip party concert film wedding dinner", "旅行 聚会 音乐会 电影 婚礼 晚餐"
        ),
        "diet": _words("meat fish grass honey leaves seeds", "肉 鱼 草 蜂蜜 树叶 种子"),
        "colour": _words("white black brown grey red", "白色 黑色 棕色 灰色 红色"),
        "food": _words(
            "tomatoes potatoes onions carrots mushrooms beans peas nuts",
            "西红柿 土豆 洋葱 胡萝卜 蘑菇 豆角 豌豆 坚果",
        ),
        "season": _words("spring summer autumn winter", "春天 夏天 秋天 冬天"),
        "day": _words(
            "monday tuesday wednesday thursday friday saturday sunday",
            "星期一 星期二 星期三 星期四 星期五 星期六 星期日",
        ),
        "place": {
            "forest": _place("森林"),
            "beach": _place("海滩", "上"),
            "market": _place("市场"),
            "garden": _place("花园"),
            "castle": _place("城堡"),
            "lake": _place("湖边", ""),
            "village": _place("村子"),
            "school": _place("学校"),
            "station": _place("车站", ""),
            "park": _place("公园"),
        },
    },
    tasks={
        "describe": Patterns(
            requests=(
                "请描述一下{name}养的那{animal:measure}{colour}的{animal}。",
                "关于{name}的那{animal:measure}{colour}的{animal}，你能告诉我什么？",
            ),
            answer="{name}有一{animal:measure}{colour}的{animal}，它生活{home:at}。它每天吃{diet}，"
            "喜欢睡觉。大家都喜欢来看这{animal:measure}{animal}，因为它非常友好。",
        ),
        "letter": Patterns(
            requests=(
                "请给{name}写一封信，谈谈{day}的{topic}。",
                "请写信给{name}，说说{day}的{topic}。",
            ),
            answer="亲爱的{name}，你最近好吗？如果能聊一聊{day}的{topic}就太好了。请记得早点给我写一封"
            "回信。",
        ),
        "story": Patterns(
            requests=(
                "请讲一个短故事，主角是{name}，地点{place:at}，还要有一{thing:measure}{thing}。",
                "请编一个故事，讲{name}{place:at}找到一{thing:measure}{thing}。",
            ),
            answer="一天早上，{name}{place:at}散步，看见长椅上有一{thing:measure}{thing}。{name}把"
            "{thing}带回家，再也没有弄丢过。",
        ),
        "compare": Patterns(
            requests=(
                "请比较一下{animal}和{other}。",
                "{animal}和{other}有什么区别？",
            ),
            answer="{animal}生活{home:at}，吃{diet}。{other}生活{other_home:at}，吃{other_diet}。"
            "这两种动物都很聪明，也都喜欢玩。",
        ),
        "reasons": Patterns(
            requests=(
                "请说出{season}和{name}一起去{place}的两个理由。",
                "为什么我应该在{season}和{name}一起去{place}？",
            ),
            answer="第一，{season}{place:at}特别美。第二，{name}知道很多关于那里的好故事，"
            "所以这次游玩一定不会无聊。",
        ),
        "advice": Patterns(
            requests=(
                "{name}{place:at}丢了一{thing:measure}{thing}。现在该怎么办？",
                "请给{name}一个建议，因为{thing}{place:at}丢了。",
            ),
            answer="{name}应该回到{place}，向那里的人打听{thing}。如果谁都不知道，最好再买一"
            "{thing:measure}新{thing}。",
        ),
        "recipe": Patterns(
            requests=(
                "怎样用{food}和{second}做一锅{number}个人喝的汤？",
                "请写一份用{food}和{second}做汤的菜谱，要够{number}个人喝。",
            ),
            answer="先把{food}洗干净，再把{second}切成小块。用热水把所有东西煮熟，加一点盐。"
            "半个小时以后，{number}个人喝的汤就做好了。",
        ),
        "summary": Patterns(
            requests=(
                "请用一句话概括这段文字。",
                "请简单说说这段文字里发生了什么。",
            ),
            input="那天是{day}，{name}{place:at}。那里有一{thing:measure}{thing}在卖，价格是"
            "{number}欧元，{name}马上就答应了。",
            answer="{day}那天，{name}{place:at}买了一{thing:measure}{thing}，为此花了{number}欧元。",
        ),
    },
    phrases={
        "see": "我{place:at}看见一{thing:measure}{thing}。",
        "own": "{name}有一{animal:measure}{colour}的{animal}。",
        "when": "{topic}在{day}。",
        "need": "我们需要{food}和{second}。",
        "go": "{season}我们去{place}。",
        "cost": "{thing}要{number}欧元。",
    },
)
