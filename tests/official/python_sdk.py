"""Drives a running `lcic-sync simulate` with the official Python SDK.

    pip install tencentcloud-sdk-python-common tencentcloud-sdk-python-lcic
    python tests/official/python_sdk.py 127.0.0.1:8787

Not part of `cargo test`: it needs Python and the network (for pip).
"""

import json
import sys

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.lcic.v20220817 import lcic_client, models

ENDPOINT = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8787"
SECRET_ID, SECRET_KEY = "AKID-LOCAL-SIMULATOR", "local-simulator-secret"


def client(secret_id=SECRET_ID, secret_key=SECRET_KEY):
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=ENDPOINT))
    return lcic_client.LcicClient(credential.Credential(secret_id, secret_key), "", profile)


def request(kind, **fields):
    made = kind()
    made.from_json_string(json.dumps(fields))
    return made


def refused(call):
    try:
        call()
    except TencentCloudSDKException as error:
        print("refused:", error.code, "|", error.message)
        return error.code
    raise AssertionError("it was accepted")


lcic = client()
written = lcic.ModifyUserProfile(
    request(models.ModifyUserProfileRequest, UserId="py-1", Nickname="张伟", Avatar="https://cdn.example.com/1.png")
)
print("ModifyUserProfile:", written.to_json_string())
assert written.RequestId

lcic.ModifyUserProfile(request(models.ModifyUserProfileRequest, UserId="py-1", Avatar=""))
user = lcic.DescribeUser(request(models.DescribeUserRequest, UserId="py-1"))
print("DescribeUser:", json.dumps(json.loads(user.to_json_string()), ensure_ascii=False))
assert (user.UserId, user.Name, user.Avatar, user.OriginId) == ("py-1", "张伟", "", "py-1")

page = lcic.DescribeSdkAppIdUsers(
    request(models.DescribeSdkAppIdUsersRequest, SdkAppId=user.SdkAppId, Page=1, Limit=10)
)
print("DescribeSdkAppIdUsers: Total", page.Total, "first", page.Users[0].UserId)
assert "py-1" in [one.UserId for one in page.Users]

write = request(models.ModifyUserProfileRequest, UserId="py-1", Nickname="n")
assert refused(lambda: client(secret_key="wrong").ModifyUserProfile(write)) == "AuthFailure.SignatureFailure"
assert refused(lambda: client(secret_id="AKID-NOBODY").ModifyUserProfile(write)) == "AuthFailure.SecretIdNotFound"
nobody = request(models.DescribeUserRequest, UserId="nobody")
assert refused(lambda: lcic.DescribeUser(nobody)) == "ResourceNotFound.User"


def hammer():
    for _ in range(200):
        lcic.ModifyUserProfile(write)


assert refused(hammer) == "RequestLimitExceeded"
print("all as expected")
