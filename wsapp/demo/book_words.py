"""What stands in the demo's customer book. `%s` is the town of the firm's phones; none is a real company or person."""

from typing import Any

Values = dict[str, Any]

# The corp's tags and their colours.
TAG_COLOURS = {
    "重点": "red",
    "年度框架": "green",
    "可转介绍": "green",
    "样品阶段": "blue",
    "老板亲自对接": "blue",
    "需要上门": "blue",
    "价格敏感": "orange",
    "账期客户": "orange",
    "有竞品": "orange",
    "慢付款": "red",
}

# The corp's own fields, in the order of the form.
FIELDS: tuple[Values, ...] = (
    {"key": "terms", "label": "合作条件", "type": "heading"},
    {
        "key": "payment",
        "label": "付款方式",
        "type": "single",
        "options": ["现款现货", "月结三十天", "月结六十天", "年度框架结算"],
        "indexed": True,
    },
    {
        "key": "goods",
        "label": "采购品类",
        "type": "multiple",
        "options": ["标准产品", "定制产品", "安装服务", "售后维保"],
        "indexed": True,
    },
    {"key": "monthly", "label": "月均采购量", "type": "number", "unit": "件", "min": 0, "indexed": True},
    {"key": "price", "label": "平均单价", "type": "money", "min": 0},
    {"key": "yearly", "label": "预计年采购额", "type": "formula", "formula": "monthly * price * 12", "unit": "元"},
    {"key": "contract_until", "label": "合同到期日", "type": "date", "indexed": True},
    {"key": "sample", "label": "寄送样品", "type": "yes_no"},
    {
        "key": "sample_wish",
        "label": "样品要求",
        "type": "long_text",
        "hint": "规格、颜色、数量和寄送地址",
        "show_if": [{"field": "sample", "op": "eq", "value": True}],
    },
)

# What the first customers of each seller have in those fields.
FILLED: tuple[Values, ...] = (
    {"payment": "月结三十天", "goods": ["标准产品", "安装服务"], "monthly": 320, "price": "186.50", "sample": False},
    {"payment": "现款现货", "goods": ["定制产品"], "monthly": 45, "price": "1280.00", "sample": True}
    | {"sample_wish": "浅色、深色各两件，寄到工厂前台，注明收件人。"},
    {"payment": "年度框架结算", "goods": ["标准产品", "售后维保"], "monthly": 900, "price": "92.00"},
    {"payment": "月结六十天", "goods": ["标准产品"], "monthly": 150, "price": "240.00", "sample": False},
    {"payment": "月结三十天", "goods": ["安装服务", "售后维保"], "monthly": 12, "price": "5600.00"},
    {"goods": ["标准产品", "定制产品"], "monthly": 80, "price": "410.00", "sample": True},
)

# Contacts: name, gender, title, role in decisions, birthday; each customer of the first ones has up to three.
CONTACTS = (
    ("欧阳文清", "female", "采购总监", "decides", "1982-03-18"),
    ("黄志强", "male", "仓储与物流主管", "uses", ""),
    ("司徒慧敏", "female", "财务经理", "influences", "11-26"),
    ("陈国栋", "male", "总经理", "decides", "1975-09-02"),
    ("吴佩珊", "female", "采购专员", "uses", ""),
    ("梁永康", "male", "技术部副部长", "influences", "06-15"),
    ("何嘉欣", "female", "总经理助理", "influences", "1991-12-05"),
    ("上官俊杰", "male", "生产厂长", "uses", ""),
    ("周美玲", "female", "法务专员", "blocks", ""),
)

# Leads: name, source, contact's words; what became of them is in `book.py`.
LEADS = (
    ("%s市新纪元酒店用品采购有限公司", "官网咨询", "在官网留言，想了解起订量和交货期。"),
    ("%s远景办公空间设计工程有限公司", "展会", "展会上交换了名片，本季度有两个项目要开工。"),
    ("%s市清溪社区养老服务中心", "老客户介绍", "老客户介绍，需要适老化改造的整体方案。"),
    ("%s海棠湾文化旅游发展有限公司", "广告投放", "看到广告打来电话，想约下周来厂参观。"),
    ("%s市第二实验学校后勤服务部", "公众号", "公众号留言，询问是否能参加公开招标。"),
)

# Customers in the pools: name, level, why they were given back.
POOLED = (
    ("%s市长丰包装制品有限公司", "B", "长期联系不上"),
    ("%s金利来五金塑胶制品厂", "C", "暂无需求"),
    ("%s市永安消防器材有限公司", "A", "区域调整"),
    ("%s瑞祥连锁餐饮管理有限公司", "B", "精力不足"),
    ("%s市华泰物业服务集团有限公司", "A", "区域调整"),
    ("%s锦绣前程教育咨询有限公司", "D", "暂无需求"),
    ("%s市宏图印刷股份有限公司", "C", "长期联系不上"),
)

GROUP = ("%s恒信实业集团有限公司", ("%s恒信商业管理有限公司", "%s恒信供应链科技有限公司"))
ALIKE = ("%s市华星精密制造有限公司", "%s华星精密制造有限责任公司")
THROWN_AWAY = ("%s市测试录入样例有限公司", "培训时录入的练习数据")
IMPORTED = """客户名称,联系人,联系人电话,客户级别,来源,备注
%s市鼎盛建筑装饰工程有限公司,郑海燕,13711110201,B,展会,春季展会名单
%s绿源生态农业合作社,谢浩然,13711110202,C,展会,春季展会名单
%s市蓝天幼儿教育集团,冯秀英,13711110203,A,展会,春季展会名单
%s东方红民宿酒店管理有限公司,唐文博,13711110204,C,展会,电话写在名片背面
%s市鼎盛建筑装饰工程有限公司,郑海燕,13711110201,Z,展会,级别写错了
"""
IMPORT_NAME = "春季展会客户名单.csv"
