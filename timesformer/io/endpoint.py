"""Whether a server can be reached, asked once and within seconds: clients of hubs try for a minute."""

import urllib.error
import urllib.request

SECONDS = 5.0  # to wait for an answer, whichever status it has


def answers(url: str) -> bool:
    """Whether anything answers at ``url``."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=SECONDS).close()
    except urllib.error.HTTPError:  # it answers
        return True
    except OSError:
        return False
    return True
