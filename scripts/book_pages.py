"""The customer book's pages, for the pictures: which there are, who sees them, and where their records are found."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import field_pages
import together_pages
from playwright.sync_api import Page

SELLER, MANAGER, ADMIN = "seller", "manager", "admin"
KEY = "[0-9a-z]{20,40}"
ADMINISTRATORS = {"wecom": "ZhaoMin", "dingtalk": "qianwei"}

# name → (who looks, on which page, what the link to the record looks like). Later ones may stand on earlier ones.
RECORDS: dict[str, tuple[str, str, str]] = {
    "known": (SELLER, "/h5/customers?custom.payment=月结三十天", rf"/h5/customers/{KEY}"),
    "contact": (SELLER, "{known}", rf"/h5/contacts/{KEY}"),
    "lead": (SELLER, "/h5/leads?state=working", rf"/h5/customers/{KEY}"),
    "leaving": (SELLER, "/h5/customers/leaving", rf"/h5/customers/{KEY}"),
    "pooled": (SELLER, "/h5/pool", rf"/h5/pool/{KEY}"),
    "twin": (SELLER, "/h5/search?q=华星精密制造有限责任公司", rf"/h5/customers/{KEY}"),
    "pair": (SELLER, "{twin}/merge", rf"/h5/customers/{KEY}/merge/{KEY}"),
    "head": (SELLER, "/h5/search?q=恒信实业集团", rf"/h5/customers/{KEY}"),
    "asked": (SELLER, "/h5/share-requests", rf"/h5/share-requests/{KEY}"),
    "thrown": (SELLER, "/h5/bin", rf"/h5/bin/{KEY}"),
    "import": (SELLER, "/h5/imports", rf"/h5/imports/{KEY}"),
    "member": (MANAGER, "/h5/team", rf"/h5/team/{KEY}"),
    "field": (ADMIN, "/admin/fields", rf"/admin/fields/{KEY}"),
    "pool": (ADMIN, "/admin/pools", rf"/admin/pools/{KEY}"),
    "role": (ADMIN, "/admin/roles", r"/admin/roles/own_\w+"),
    "person": (ADMIN, "/admin/members", rf"/admin/members/{KEY}"),
    "deed": (ADMIN, "/admin/audit?kind=rule.changed", rf"/admin/audit/{KEY}"),
    "remains": (ADMIN, "/admin/bin", rf"/admin/bin/{KEY}"),
}

# Pages on the phone: name, who, address.
PAGES = (
    ("customer-known", SELLER, "{known}"),
    ("customer-fields", SELLER, "{known}/edit"),
    ("customer-filter", SELLER, "/h5/customers/filter"),
    ("customer-bulk", SELLER, "/h5/customers/choose"),
    ("customer-group", SELLER, "{head}/group"),
    ("customer-stages", SELLER, "{known}/stages"),
    ("customer-coworkers", SELLER, "{known}/coworkers"),
    ("customer-why", SELLER, "{known}/why"),
    ("customer-release", SELLER, "{known}/release"),
    ("customer-delete", SELLER, "{bin}"),
    ("customer-clock", SELLER, "{leaving}/clock"),
    ("customers-leaving", SELLER, "/h5/customers/leaving"),
    ("extensions", MANAGER, "/h5/extensions"),
    ("extension", MANAGER, "{extension}"),
    ("customer-merge", SELLER, "{twin}/merge"),
    ("customer-compare", SELLER, "{pair}"),
    ("customer-assign", MANAGER, "{known}/assignment"),
    ("bulk", SELLER, "{bulk}"),
    ("contact", SELLER, "{contact}"),
    ("contact-new", SELLER, "{known}/contacts/new"),
    ("contact-edit", SELLER, "{contact}/edit"),
    ("leads", SELLER, "/h5/leads?state=working"),
    ("lead", SELLER, "{lead}"),
    ("lead-new", SELLER, "/h5/leads/new"),
    ("pool", SELLER, "/h5/pool"),
    ("pool-customer", SELLER, "{pooled}"),
    ("pool-deal", MANAGER, "{deal}"),
    ("handover", MANAGER, "{handover}"),
    ("handovers", MANAGER, "/h5/handovers"),
    ("customers-handover", MANAGER, "/h5/customers/handover?scope=team"),
    ("handover-new", MANAGER, "{member}/handover"),
    ("search-pinyin", SELLER, "/h5/search?q=hxjm"),
    ("share-requests", SELLER, "/h5/share-requests"),
    ("share-request", SELLER, "{asked}"),
    ("deputy", SELLER, "/h5/me/deputy"),
    ("watches", SELLER, "/h5/watches"),
    ("customer-watch", SELLER, "{known}/watch"),
    ("bin", SELLER, "/h5/bin"),
    ("bin-record", SELLER, "{thrown}"),
    ("bin-many", SELLER, "{many}"),
    ("imports", SELLER, "/h5/imports"),
    ("import-draft", SELLER, "{draft}"),
    ("import", SELLER, "{import}"),
    ("exports", SELLER, "/h5/exports"),
    ("export", SELLER, "{export}"),
    *field_pages.PAGES,
    *together_pages.PAGES,
)

# Pages of the console: name, address.
CONSOLE = (
    ("fields", "/admin/fields"),
    ("field", "{field}"),
    ("field-new", "/admin/fields/new?type=single"),
    ("tags", "/admin/tags"),
    ("pools", "/admin/pools"),
    ("pool", "{pool}"),
    ("recycling", "/admin/recycling"),
    ("rules", "/admin/rules"),
    ("workdays", "/admin/workdays"),
    ("bin", "/admin/bin"),
    ("bin-record", "{remains}"),
    ("roles", "/admin/roles"),
    ("role", "{role}"),
    ("why", "/admin/roles/why"),
    ("audit", "/admin/audit"),
    ("audit-record", "{deed}"),
    ("member", "{person}"),
)


@dataclass
class Shelf:
    """Where the records of one firm's book are: name → address, filled as they are found."""

    base: str
    found: dict[str, str] = field(default_factory=dict)

    def look(self, page: Page, who: str) -> None:
        """Find the records that somebody sees, on their own page."""
        for name, (reader, where, wanted) in RECORDS.items():
            if reader == who and name not in self.found:
                page.goto(self.base + self.address(where))
                self.found[name] = first_link(page, wanted)

    def address(self, path: str) -> str:
        """Fill in the records that an address names."""
        return path.format(**self.found)

    def pages(self, who: str) -> Iterator[tuple[str, str]]:
        """Yield (name, address) of somebody's pages."""
        yield from ((name, self.address(path)) for name, reader, path in PAGES if reader == who)


def first_link(page: Page, wanted: str) -> str:
    """Return the address of the first link of a page's body that is wholly of this form."""
    hrefs: list[str] = page.locator("main a[href]").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
    found = next((one for one in hrefs if re.fullmatch(wanted, one)), "")
    assert found, f"nothing like {wanted} on {page.url}: {hrefs}"
    return found


# --- what has to be done first ------------------------------------------------------------------------------------


def do_as_seller(page: Page, shelf: Shelf) -> None:
    """Change many, upload a list without taking it, export one, and ask to keep a customer a little longer."""
    base = shelf.base
    page.goto(f"{base}/h5/customers/choose")
    page.locator('input[name="action"][value="tag"]').check(force=True)
    page.get_by_label("标签", exact=True).fill("年底回访")
    for number in range(3):
        page.locator('input[name="ids"]').nth(number).check()
    ids = page.locator('input[name="ids"]').evaluate_all("all => all.slice(0, 3).map((one) => one.value)")
    shelf.found["many"] = "/h5/bin/runs/new?" + "&".join(f"ids={one}" for one in ids)
    shelf.found["bin"] = "/h5/bin/new/customer/" + shelf.found["known"].rpartition("/")[2]
    page.get_by_role("button", name="开始处理").click()
    page.wait_for_url("**/h5/bulk/*")
    page.get_by_text("已完成").wait_for()
    shelf.found["bulk"] = page.url.removeprefix(base)
    page.goto(f"{base}/h5/imports")
    rows = "公司名称,联系人,手机,级别\n佛山市天艺陶瓷装饰有限公司,谭小姐,13722220101,A\n清远市北江矿泉水有限公司,,,B\n"
    file = {"name": "十一月走访名单.csv", "mimeType": "text/csv", "buffer": rows.encode("gb18030")}
    page.locator('input[type="file"]').set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="上传并预览").click()
    page.wait_for_url(re.compile(rf"/h5/imports/{KEY}"))
    shelf.found["draft"] = page.url.removeprefix(base)
    page.context.clear_cookies(name="wsapp")  # an export asks for a sign-in of these minutes
    page.goto(f"{base}/h5/")
    page.get_by_role("navigation", name="主导航").wait_for()
    page.goto(f"{base}/h5/exports")
    page.get_by_role("button", name="导出", exact=True).click()
    page.wait_for_url(re.compile(rf"/h5/exports/{KEY}"))
    page.get_by_role("link", name="下载").wait_for()
    shelf.found["export"] = page.url.removeprefix(base)
    page.goto(base + shelf.found["leaving"])
    page.get_by_role("button", name="申请延期").first.click()
    page.get_by_text("延期申请中").first.wait_for()


def do_as_manager(page: Page, shelf: Shelf) -> None:
    """Deal a customer of the pool out."""
    page.goto(f"{shelf.base}/h5/pool")
    page.get_by_role("link", name="区域公海").click()
    page.wait_for_url("**/h5/pool?pool=*")
    shelf.found["deal"] = first_link(page, r"/h5/pool/deal\?.*")
    page.goto(shelf.base + shelf.found["deal"])
    page.get_by_label("数量", exact=False).fill("2")
    page.locator('input[name="takers"]').first.check(force=True)
    page.get_by_role("button", name="开始分配").click()
    page.wait_for_url("**/h5/handovers/*")
    shelf.found["handover"] = page.url.removeprefix(shelf.base)
    page.goto(f"{shelf.base}/h5/extensions")
    shelf.found["extension"] = first_link(page, rf"/h5/extensions/{KEY}")
