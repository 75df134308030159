"""Every feature is off until asked for, and what contradicts another is refused with the reason."""

from typing import Any

import pytest

from core.errors import SettingsError
from core.features import ClusterPlan, Features
from core.settings import Settings, parse_settings

MAIL = {"alertEmails": "you@example.com"}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"clusters": "big one"}, "clusters: 'big one' is no cluster; for example Standard_"),
        ({"clusters": "Standard_NC6s_v3"}, "clusters: Azure retired Standard_NC6s_v3 on 2025"),
        ({"clusters": "Standard_E8s_v3*65"}, "clusters: 'Standard_E8s_v3*65': 65 nodes; at most"),
        ({"clusters": ",".join(["Standard_E8s_v3"] * 9)}, "clusters: 9 clusters; at most 8"),
        ({"allowedIps": "home"}, "allowedIps: 'home' is no IPv4 address"),
        ({"allowedIps": "10.0.0.1"}, "allowedIps: '10.0.0.1' is private"),
        ({"allowedIps": "203.0.113.7"}, "allowedIps: no store asks for it; set hardened or pri"),
        (
            {"allowedIps": "0.0.0.0/0", "hardened": True},
            "allowedIps: '0.0.0.0/0' is a good part of the internet",
        ),
        (
            {"lowPriority": True, "clusters": "Standard_NC24ads_A100_v4*3:lowPriority"},
            "clusters: Standard_NC24ads_A100_v4, low priority, is there twice; raise its nodes",
        ),
        (
            {"vmSize": "Standard_NC9x_v9", "clusters": "Standard_nc9X_v9*2"},
            "clusters: Standard_NC9x_v9, dedicated, is there twice",
        ),
        ({"alertEmails": "you"}, "alertEmails: 'you' is no address"),
        ({"budget": 100}, "budget: nobody would hear of it; set alertEmails, too"),
        ({"budget": -1}, "budget: Input should be greater than or equal to 0"),
        (MAIL, "alertEmails: nothing would write to them"),
        (
            {"adoptGroup": "rg-x", "adoptWorkspace": "mlw", "hub": True, "privateNetwork": True},
            "hub: would change mlw, which is adopted\nprivateNetwork: would change",
        ),
    ],
)
def test_a_wrong_feature_names_itself_and_the_reason(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(chosen)
    assert str(error.value).startswith(message)


def test_no_feature_is_on_by_itself() -> None:
    found = Settings()
    assert not any(getattr(found, name) for name in Features.model_fields)
    assert found.cluster_plans == (ClusterPlan("Standard_NC24ads_A100_v4", 1),)


def test_clusters_are_taken_as_text_or_list_and_in_any_case() -> None:
    text = parse_settings({"clusters": "Standard_e8s_v3, Standard_NC40ads_H100_v5*2:lowPriority"})
    rows = parse_settings(
        {"clusters": '["Standard_E8s_v3", "Standard_NC40ads_H100_v5*2:lowPriority"]'}
    )
    assert text == rows
    assert text.cluster_plans[1:] == (
        ClusterPlan("Standard_E8s_v3", 1),
        ClusterPlan("Standard_NC40ads_H100_v5", 2, "LowPriority"),
    )


def test_the_low_priority_twin_has_the_main_clusters_size() -> None:
    found = parse_settings({"compute": "cpu", "maxNodes": 3, "lowPriority": "true"})
    assert found.cluster_plans == (
        ClusterPlan("Standard_E16s_v3", 3),
        ClusterPlan("Standard_E16s_v3", 3, "LowPriority"),
    )


def test_what_two_features_share_is_looked_at_together() -> None:
    found = parse_settings({"budget": 100, "monitoring": True, **MAIL})
    assert found.alert_emails == ("you@example.com",)
