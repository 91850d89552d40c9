"""Data sets from Kaggle, fetched through kagglehub."""

from pathlib import Path

from edge_fer.errors import DownloadError


def download(handle: str) -> Path:
    """Fetch a data set, or find it in kagglehub's cache.

    Args:
        handle: `owner/name`.

    Returns:
        The folder that holds it.

    Raises:
        DownloadError: kagglehub is missing, there is no network, no token, or no such data set.
    """
    try:
        import kagglehub  # noqa: PLC0415  only who asks for Kaggle needs it
        import requests  # noqa: PLC0415  only who asks for Kaggle needs it
        from kagglehub.exceptions import CredentialError, DataCorruptionError, UnauthenticatedError  # noqa: PLC0415  only who asks for Kaggle needs it
    except ImportError:
        raise DownloadError(f"kaggle:{handle} needs kagglehub: pip install 'edge-fer[train]'.") from None
    try:
        return Path(kagglehub.dataset_download(handle))
    except ValueError as error:
        raise DownloadError(f"kaggle:{handle}: a handle is owner/name ({error}).") from error
    except (CredentialError, UnauthenticatedError) as error:
        raise DownloadError(
            f"kaggle:{handle}: Kaggle wants a token: put KAGGLE_USERNAME and KAGGLE_KEY into the environment ({error})."
        ) from error
    except requests.HTTPError as error:
        raise DownloadError(f"kaggle:{handle}: Kaggle refuses: {error}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise DownloadError(f"kaggle:{handle}: Kaggle cannot be reached: {error}") from error
    except DataCorruptionError as error:
        raise DownloadError(f"kaggle:{handle}: arrived damaged: {error}") from error
