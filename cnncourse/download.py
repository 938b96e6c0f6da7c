"""A verified file from an address on the network: `fetch(urls, md5, path)`."""

from pathlib import Path

# A connection that sends nothing for this many seconds has failed; without it a silent server would hang for ever.
PATIENCE = 60


def fetch(urls, md5, path):
    """Download `path` from the first of the addresses `urls` that gives a file of this MD5, with a progress bar.

    Until it is whole and verified, what arrives lies beside `path` under another name, and goes if it is not. When no
    address gives the file, or it cannot be written: RuntimeError, one sentence with the reason of each.
    """
    import pooch
    import requests

    path, reasons = Path(path), []
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16, timeout=PATIENCE)
    for url in urls:
        try:
            return pooch.retrieve(url, f"md5:{md5}", path.name, path.parent, downloader=downloader)
        except requests.RequestException as error:
            reasons.append(f"{url}: {str(_cause(error)).rstrip('.') or type(error).__name__}")
        except ValueError:  # pooch's error for another MD5
            reasons.append(f"{url}: the file arrived truncated or altered")
        except OSError as error:
            raise RuntimeError(
                f"{path} cannot be written ({error}): choose another place, or free it"
            ) from error
    raise RuntimeError(
        f"{path.name} could not be downloaded ({'; '.join(reasons)}): check the network and try again, "
        f"or put the official file at {path} yourself"
    )


def _cause(error):
    """What the network said, below what each library made of it."""
    while error.__context__ is not None:
        error = error.__context__
    return error
