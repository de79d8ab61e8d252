"""The settings, and the names that spans have."""

from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import code_attributes, error_attributes
from opentelemetry.semconv.schemas import Schemas

from chancy import Chancy, ChancyError, Job
from chancy_otel import Otel, attributes


def test_settings_come_from_the_configuration_file(tmp_path):
    """Its table is `[plugins.otel]`."""
    config = tmp_path / "chancy.toml"
    config.write_text('[plugins.otel]\npropagate = false\nrelation = "parent"\nkwargs = ["tenant"]\n')
    (plugin,) = [p.plugin for p in Chancy("postgresql://", config=config).plugins.loaded if isinstance(p.plugin, Otel)]
    assert (plugin.propagate, plugin.relation, plugin.kwargs) == (False, "parent", ("tenant",))


def test_an_unknown_relation_is_refused(tmp_path):
    """By the key, with what would be right."""
    config = tmp_path / "chancy.toml"
    config.write_text('[plugins.otel]\nrelation = "child"\n')
    with pytest.raises(ChancyError, match="relation"):
        Chancy("postgresql://", config=config)


async def test_kwargs_are_shown_only_if_they_are_named(run_one, spans):
    """Without the setting none is; with it those that are plain values."""
    job = Job(
        func="builtins.dict",
        kwargs={"tenant": "acme", "pages": 3, "draft": False, "size": 2**70, "lines": [1], "card": "4111"},
    )
    await run_one(job)
    await run_one(job, Otel(kwargs=("tenant", "pages", "draft", "size", "lines", "missing")))
    default, named = (
        {name: value for name, value in run.attributes.items() if name.startswith("messaging.chancy.kwargs")}
        for run in spans.named("run")
    )
    assert default == {}
    assert named == {
        "messaging.chancy.kwargs.tenant": "acme",
        "messaging.chancy.kwargs.pages": 3,
        "messaging.chancy.kwargs.draft": False,
    }


def test_the_names_are_those_of_the_conventions():
    """As published with the version that the schema's address names."""
    assert Schemas.V1_44_0.value == attributes.SCHEMA_URL
    ours = {
        attributes.SYSTEM: messaging_attributes.MESSAGING_SYSTEM,
        attributes.OPERATION_NAME: messaging_attributes.MESSAGING_OPERATION_NAME,
        attributes.OPERATION_TYPE: messaging_attributes.MESSAGING_OPERATION_TYPE,
        attributes.DESTINATION: messaging_attributes.MESSAGING_DESTINATION_NAME,
        attributes.BATCH_COUNT: messaging_attributes.MESSAGING_BATCH_MESSAGE_COUNT,
        attributes.MESSAGE_ID: messaging_attributes.MESSAGING_MESSAGE_ID,
        attributes.CLIENT_ID: messaging_attributes.MESSAGING_CLIENT_ID,
        attributes.FUNCTION_NAME: code_attributes.CODE_FUNCTION_NAME,
        attributes.ERROR_TYPE: error_attributes.ERROR_TYPE,
    }
    assert all(name == theirs for name, theirs in ours.items())
    types = {kind.value for kind in messaging_attributes.MessagingOperationTypeValues}
    assert {"send", "process"} <= types
