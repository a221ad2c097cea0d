"""Twelve customers whose names are easily confused, and two hundred ways to ask for them."""

NAMES = {
    "forest": ("北京森林木业有限公司", "森林木", "13800138001"),
    "star": ("深圳市华星光电科技股份有限公司", "华星", "0755-26001234"),
    "river": ("长江重型机械集团有限公司", "长重", "13911112222"),
    "bank": ("重庆银行解放碑支行", "", "023-63791111"),
    "music": ("上海乐声乐器有限责任公司", "乐声", "13666668888"),
    "shan": ("单志强", "", "13522221111"),
    "ouyang": ("欧阳雨欣", "", "13733334444"),
    "abc": ("TCL-ABC（惠州）电子 2000 分厂", "TCL", "4008123123"),
    "green": ("绿源女子健身俱乐部", "绿源", "18612345678"),
    "zeng": ("曾氏兄弟餐饮管理店", "曾氏", "18998765432"),
    "xian": ("西安先锋建材商行", "", "15029990000"),
    "nan": ("南光蓝天物流中心", "南光", "+85221234567"),
}

# key → queries that must find it; each query finds just this one
FRAGMENTS = {
    "forest": "北京森林木业有限公司 北京 森林 林木 木业 森林木 北京森 林木业",
    "star": "深圳市华星 华星 星光 光电 光电科 股份 华星光电科技 电科技",
    "river": "长江 长江重型 重型 机械 型机 长重 集团 机械集",
    "bank": "重庆 重庆银行 银行 解放碑 支行 放碑 庆银",
    "music": "上海 乐声 乐器 声乐 责任 乐器有限 海乐 上海乐声乐器",
    "shan": "单志强 志强 单志",
    "ouyang": "欧阳 雨欣 欧阳雨 阳雨",
    "abc": "TCL tcl tc abc ABC 惠州 电子 2000 分厂 ｔｃｌ tclabc c惠州 abc（惠州）",
    "green": "绿源 女子 健身 俱乐部 绿源女子 身俱",
    "zeng": "曾氏 兄弟 餐饮 管理 兄弟餐 曾",
    "xian": "西安 先锋 建材 商行 西安先锋",
    "nan": "南光 蓝天 物流 中心 光蓝 南光蓝天",
}
PINYIN = {
    "forest": "beijing senlin beijingsenlin muye linmu sen'lin BeiJing",
    "star": "huaxing shenzhen guangdian keji huaxingguangdian shenzhenshi",
    "river": "changjiang zhongxing jixie jituan changjiangzhong",
    "bank": "chongqing yinhang jiefangbei yinhangjie chongqingyin",
    "music": "shanghai yueqi",
    "shan": "shanzhiqiang danzhiqiang chanzhiqiang zhiqiang",
    "ouyang": "ouyang yuxin ouyangyu",
    "abc": "huizhou dianzi fenchang",
    "green": "lvyuan luyuan nvzi nuzi jianshen julebu",
    "zeng": "zengshi cengshi xiongdi canyin guanli",
    "xian": "xian xianfeng jiancai shanghang xi'an",
    "nan": "nanguang lantian wuliu zhongxin",
}
INITIALS = {
    "forest": "bjsl bjslmy slmy bjs SLM",
    "star": "szshx hxgd gdkj hxg",
    "river": "cjzx zxjx cjz jxjt",
    "bank": "cqyh jfb jfbz",
    "music": "shls shlsyq",
    "shan": "szq dzq",
    "ouyang": "oyyx oy oyy",
    "green": "lynz nzjs jlb",
    "zeng": "zsxd csxd cygl",
    "xian": "xaxf xfjc jcsh",
    "nan": "nglt ltwl wlzx",
}
ENDINGS = {
    "forest": "8001 38001 13800138001 138-0013-8001 1380013",
    "star": "26001 26001234 07552600 0755-2600 6001234",
    "river": "11112 13911112222 1112222",
    "bank": "37911 63791111 02363791 791111",
    "music": "8888 66668888 6666",
    "ouyang": "4444 3334444",
    "abc": "3123 4008123123",
    "green": "5678 186123",
    "zeng": "5432 1899876",
    "xian": "9000 0000 150299",
    "nan": "4567 85221",
}
# Typed by ear, with sounds mixed up, or with one character amiss
TYPOS = {
    "forest": "森林木叶 生林 北京深林木业 beijinsenlin beijingsenlim 森林沐业 senglin",
    "star": "华兴光电 花星 深圳市画星 华星光店 huaxin senzhen huaxinguandian huaxingguangdain 华星先电",
    "river": "常江 长江中型机械 changjang 长汇重型 chanjiang canjiang",
    "bank": "重庆银航 congqing 解放杯 重庆根行 chongqin",
    "music": "上海悦声 乐生乐器 sanghai",
    "shan": "单志墙 善志强 zhiqian ziqiang",
    "ouyang": "欧阳雨新 欧羊雨欣 ouyan 欧阳宇欣",
    "green": "绿园 律源女子 绿源安子 jiansheng jianshenjulebo",
    "zeng": "增氏 曾氏兄第 曾氏兄地 cengsi",
    "xian": "西安先丰 西岸先锋 西安光锋 xianfen",
    "nan": "南广 兰天 南光篮天 nanguan wuniu nantian",
}
NOBODY = "哈尔滨 0752 zzzz 星华 wqxz 广州 99999 qq 司碑"


def queries() -> list[tuple[str, str, str]]:
    """Return (kind of query, query, key of the one customer that it must find)."""
    found = []
    for kind, table in (
        ("fragment", FRAGMENTS),
        ("pinyin", PINYIN),
        ("initials", INITIALS),
        ("ending", ENDINGS),
        ("typo", TYPOS),
    ):
        for key, texts in table.items():
            found += [(kind, text, key) for text in texts.split(" ")]
    return found
