"""Who calls: an owner, or a viewer of the owner's tenant (CONTRACT_ROLE), with a token that is asked
for anew when it is refused.

The calls that are made up may do whatever an owner may: sign out, hand the tenant over, leave it,
delete it. A tenant that was deleted is restored; whoever is not what they were founds another one and
goes on there.
"""

import itertools
import os

import requests
import schemathesis

PASSWORD = "a contract is a contract"
ROLE = os.environ.get("CONTRACT_ROLE", "owner")
NUMBERS = itertools.count(1)


@schemathesis.auth()
class Caller:
    def __init__(self):
        self.credentials = None

    def get(self, case, context):
        url = case.operation.base_url.rstrip("/") + "/api/v1"
        if self.credentials is not None:
            answer = requests.post(f"{url}/auth/login", json=self.credentials, timeout=30)
            if answer.status_code == 200 and answer.json()["tenant"]["role"] == ROLE:
                return answer.json()["access_token"]
        return self.found(url)

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"

    def found(self, url):
        slug = f"contract-{next(NUMBERS)}"
        owner = {"email": f"owner@{slug}.example", "password": PASSWORD, "tenant_slug": slug}
        body = owner | {"full_name": "Owner", "tenant_name": "Contract"}
        answer = requests.post(f"{url}/auth/register", json=body, timeout=30)
        answer.raise_for_status()
        token = answer.json()["access_token"]
        if ROLE == "owner":
            self.credentials = owner
            return token
        headers = {"Authorization": f"Bearer {token}"}
        self.credentials = {"email": f"{ROLE}@{slug}.example", "password": PASSWORD, "tenant_slug": slug}
        body = {"email": self.credentials["email"], "password": PASSWORD, "full_name": "Somebody", "role": ROLE}
        requests.post(f"{url}/users", json=body, headers=headers, timeout=30).raise_for_status()
        answer = requests.post(f"{url}/auth/login", json=self.credentials, timeout=30)
        answer.raise_for_status()
        return answer.json()["access_token"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """No made-up text is the caller's tenant, a cursor or a version that was given out, or new as a key:
    with one, the request would go no further. What breaks the description on purpose stays as it is."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"key-{next(NUMBERS)}"
    for name in ("X-Tenant-Slug", "X-Tenant-ID", "If-Match", "If-None-Match"):
        if case.headers:
            case.headers.pop(name, None)
    if case.query:
        case.query.pop("cursor", None)


@schemathesis.hook
def after_call(context, case, response):
    """In a tenant that is about to be erased, everything else would be 403."""
    if case.method.upper() == "DELETE" and case.path == "/api/v1/tenant" and response.status_code == 202:
        url = case.operation.base_url.rstrip("/") + "/api/v1/tenant/restore"
        headers = {"Authorization": response.request.headers["Authorization"]}
        requests.post(url, headers=headers, timeout=30).raise_for_status()
