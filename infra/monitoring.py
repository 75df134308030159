"""What watches the workspace: its logs kept, and whom the alerts write to.

Endpoints are made by `deploy`, and what watches one is made with it: deploy/upkeep/alerts.py,
ADR 11.
"""

import pulumi
from pulumi_azure_native import monitor, resources

from core.watching import DIAGNOSTICS
from infra.site import Site

SHORT_NAME = "tunestack"
"""What mails call the sender; at most 12 characters."""


class Monitoring(pulumi.ComponentResource):
    """A diagnostic setting on the workspace, and an action group where there are addresses."""

    def __init__(
        self,
        site: Site,
        group: resources.ResourceGroup,
        workspace: pulumi.Input[str],
        logs: pulumi.Output[str],
    ) -> None:
        super().__init__("tunestack:infra:Monitoring", "monitoring")
        self.logs = logs
        self.setting = monitor.DiagnosticSetting(
            "workspace-logs",
            name=DIAGNOSTICS,
            resource_uri=workspace,
            workspace_id=logs,
            # A few lines a job. How long they stay is the Log Analytics workspace's to say.
            logs=[monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.alert_group = self._action_group(site, group) if site.settings.alert_emails else ""
        self.register_outputs({})

    def _action_group(self, site: Site, group: resources.ResourceGroup) -> pulumi.Output[str]:
        made = monitor.ActionGroup(
            "alert-group",
            action_group_name=site.names.action_group,
            resource_group_name=group.name,
            location="global",
            enabled=True,
            group_short_name=SHORT_NAME,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(
                    name=email, email_address=email, use_common_alert_schema=True
                )
                for email in site.settings.alert_emails
            ],
            tags=site.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        id: pulumi.Output[str] = made.id
        return id
