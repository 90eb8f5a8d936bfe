"""An error speaks by its docstring unless it is given words."""

from quarterdeck.base.errors import QuarterdeckError


class FolderMissing(QuarterdeckError):
    """The folder is missing.

    More for those who read code.
    """

    code = "folder-not-found"


def test_detail_is_the_first_line_of_the_docstring():
    assert str(FolderMissing()) == FolderMissing().detail == "The folder is missing."
    assert FolderMissing().field is None


def test_detail_and_field_can_be_given():
    error = FolderMissing("no folder 'x'", field="mounts.0.folder")
    assert (error.detail, error.field, error.code) == (
        "no folder 'x'",
        "mounts.0.folder",
        "folder-not-found",
    )
