"""The macros of this repository's BUILD files: a component of src, a suite of tests. Pants reads them.

Layers are held twice: by import-linter (`make arch`) for modules, and here by visibility rules for targets, which
also see data files and third-party packages. Pants checks them whenever it resolves dependencies
(`pants dependencies ::`).
"""


def component(*, may_import=(), imported_by=(), data=(), dependencies=()):
    """All Python below a directory of src, with its data files. Tests may import every component."""
    _with_data(data)
    python_sources(sources=["**/*.py"], dependencies=[*_data_target(data), *dependencies])
    __dependencies_rules__(("*", "/**", may_import, "//3rdparty/**", "!*"))
    __dependents_rules__(("*", "/**", imported_by, "//:*", "//tests/**", "//wheels/**", "!*"))


def suite(*, batch, support=False, alone=(), data=(), dependencies=()):
    """The tests of one directory and those below it.

    Files of one batch share a pytest process, and with it a booted system. Tests import what they test, and
    conftest.py gives them the rest: never another test. `support` says that there is Python beside the tests. Files that
    take long may each be `alone`: other batches run meanwhile.
    """
    everywhere = ["//:pytest-plugin", *_data_target(data), *dependencies]
    _with_data(data)
    if support:
        python_test_utils(
            name="support",
            sources=["**/*.py", "!**/test_*.py", "!**/data/**"],
            dependencies=everywhere,
        )
    python_tests(
        sources=["**/test_*.py"],
        dependencies=everywhere + ([":support"] if support else []),
        batch_compatibility_tag=batch,
        overrides={name: {"batch_compatibility_tag": f"{batch}-{name}"} for name in alone},
    )
    __dependents_rules__(("<python_tests>", "//:*", "!*"), ("*", "/**", "!*"))


def wheel(name, *, of):
    """The wheel of a product; its pyproject.toml stands beside the BUILD file and holds all there is to say."""
    resource(name="project", source="pyproject.toml")
    python_distribution(
        name="wheel",
        provides=python_artifact(name=name),
        generate_setup=False,
        sdist=False,
        dependencies=[":project", *of],
    )


def _with_data(globs):
    if globs:
        resources(name="data", sources=[*globs])


def _data_target(globs):
    return [":data"] if globs else []
