"""A small sample firm for the emulator: 森林木业, timber from Shenzhen. All secrets here are made up and open."""

from typing import Any
from urllib.parse import urlsplit

CORP_ID = "ww5e8c31f07a9d2b64"
AGENT_ID = 1000002
APP_SECRET = "kQ7vLz2mWc9RtYp4XnB8sDf1GhJ6aEu3TiO5wZxNqVk"
CONTACTS_SECRET = "hN4bVx8cZq1wEr6tYu2iOp9aSd5fGk3jLm7QzXcVbNs"
CALLBACK_TOKEN = "forestApp2026Token"
CALLBACK_AES_KEY = "Tm9rQ2xWb8YzKd4JhGfS1aPqLw3EuRi6VtXc7NyBo5D"
CONTACTS_TOKEN = "forestContactsToken"
ROBOT_KEY = "3f9a1c52-7b0e-4d68-9c21-5e8f0a4b7d13"
CONTACTS_AES_KEY = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY2zA4cD6eF8h"


def demo_org(public_url: str) -> dict[str, Any]:
    """The sample firm whose app lives at `public_url`; the argument of `WeComEmulator.load`."""
    callbacks = f"{public_url}/callbacks/wecom/{CORP_ID}"
    departments = [
        {"id": 1, "name": "森林木业", "parentid": 0},
        {"id": 2, "name": "销售部", "parentid": 1, "order": 100},
        {"id": 3, "name": "华南组", "parentid": 2, "order": 50},
        {"id": 4, "name": "财务部", "parentid": 1, "order": 90},
    ]
    users = [
        _user("LinXiaoYan", "林晓燕", [3], "客户经理", ["WangJianGuo"]),
        _user("ChenZiHao", "陈子豪", [3], "客户经理", ["WangJianGuo"]),
        {**_user("WangJianGuo", "王建国", [2], "销售总监", ["ZhaoMin"]), "leads": [2]},
        {**_user("ZhaoMin", "赵敏", [1], "总经理", []), "leads": [1]},
        _user("OuYangMuRong", "欧阳慕容", [4], "会计", ["ZhaoMin"]),
    ]
    app = {
        "agent_id": AGENT_ID,
        "secret": APP_SECRET,
        "name": "客户管理",
        "home_url": f"{public_url}/h5/",
        "trusted_domains": [urlsplit(public_url).netloc],
        "callback_url": f"{callbacks}/app",
        "token": CALLBACK_TOKEN,
        "aes_key": CALLBACK_AES_KEY,
        # The sales department and the general manager; finance is outside.
        "visible": {"users": ["ZhaoMin"], "departments": [2]},
    }
    corp = {
        "corp_id": CORP_ID,
        "name": "森林木业",
        "contacts_secret": CONTACTS_SECRET,
        "contacts_ips": ["127.0.0.1"],  # trusted since before 2022-08-15, so contact sync may read details
        "contacts_callback": {
            "url": f"{callbacks}/contacts",
            "token": CONTACTS_TOKEN,
            "aes_key": CONTACTS_AES_KEY,
        },
        "departments": departments,
        "users": users,
        "apps": [app],
        "groups": [
            {
                "id": "wrForestSales",
                "name": "华南销售战报群",
                "members": ["LinXiaoYan", "ChenZiHao", "WangJianGuo", "ZhaoMin"],
                "robots": [{"key": ROBOT_KEY, "name": "客户动态"}],
            }
        ],
    }
    return {"corps": [corp]}


def demo_corp() -> dict[str, Any]:
    """The sample firm as a `[[corps]]` entry of the product's settings."""
    return {
        "name": "森林木业",
        "host": "wecom",
        "corp_id": CORP_ID,
        "agent_id": AGENT_ID,
        "app_secret": APP_SECRET,
        "contacts_secret": CONTACTS_SECRET,
        "callback_token": CALLBACK_TOKEN,
        "callback_aes_key": CALLBACK_AES_KEY,
        "contacts_callback_token": CONTACTS_TOKEN,
        "contacts_callback_aes_key": CONTACTS_AES_KEY,
    }


def _user(userid: str, name: str, departments: list[int], position: str, leader: list[str]) -> dict[str, Any]:
    return {
        "userid": userid,
        "name": name,
        "departments": departments,
        "position": position,
        "direct_leader": leader,
        "gender": "0",
    }
