"""Makes a bucket in an S3 server and a container in an Azure one, both of the test set-up and without a secret."""
import base64
import datetime
import hashlib
import hmac
import sys
import urllib.request

s3, azure, account, key, name = sys.argv[1:]


def put(url, headers):
    request = urllib.request.Request(url, data=b"", method="PUT", headers=headers)
    urllib.request.urlopen(request, timeout=30).read()


if s3:
    put(f"{s3}/{name}", {})
if azure:
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    version, form = "2021-08-06", "application/octet-stream"
    headers = f"x-ms-date:{date}\nx-ms-version:{version}\n"
    signed = f"PUT\n\n\n\n\n{form}\n\n\n\n\n\n\n{headers}/{account}/{account}/{name}\nrestype:container"
    digest = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
    authorization = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
    headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": authorization, "Content-Type": form}
    put(f"{azure}/{name}?restype=container", headers)
