"""What the emulator cannot do, and what is done about it. The only place that makes the deployed template differ from the
translated one; each entry says what is therefore not proven here. A type that stands nowhere below and that the emulator
does not know fails the deployment: the emulator refuses the whole template.
"""

# Types that the emulator does not know, or that need something it does not have; they are left out.
LEFT_OUT = {
    "AWS::Logs::QueryDefinition": "no such resource; the queries are checked in tests of the template",
    "AWS::CodeDeploy::Application": "no gradual deployment; a first deployment is never gradual anyway",
    "AWS::CodeDeploy::DeploymentGroup": "as above",
    "AWS::ApplicationAutoScaling::ScalableTarget": "no scaling of provisioned concurrency",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "as above",
    "AWS::SQS::QueuePolicy": "refuses whoever comes without TLS, and the emulator is spoken to without",
    "AWS::S3::BucketPolicy": "as above",
}

# Properties that the emulator takes and forgets, so that nothing can be asked of it about them. Their values are tested in
# the tests of the template; that the template has them at all is seen here.
FORGOTTEN = {
    ("AWS::DynamoDB::Table", "TimeToLiveSpecification"): "it says DISABLED of every table, and nothing expires",
    ("AWS::S3::Bucket", "LifecycleConfiguration"): "it knows no configuration afterwards, and deletes nothing",
}

# What stands in for an alarm that the emulator cannot create, so that what refers to it finds something. Alarms are
# proven in the tests of the template, by an evaluator of their definitions.
PLAIN_ALARM = {
    "Namespace": "StandIn",
    "MetricName": "StandIn",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}

# Actions that also cover the call with a batch.
BATCHED = {"sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}


def fill(template):
    """The translated template as the emulator can create it, and what was left out of it."""
    _demand_forgotten(template)
    left_out = _leave_out(template)
    _plain_alarms(template)
    _routes(template)
    secrets = {name for name, each in template["Resources"].items() if each["Type"] == "AWS::SecretsManager::Secret"}
    template["Resources"] = _with_secrets_by_arn(template["Resources"], secrets)
    template["Outputs"] = _with_secrets_by_arn(template["Outputs"], secrets)
    _allow_batches(template)
    return left_out


def mend(lambda_client):
    """Numbers of an event source that come from parameters stay text, which the poller cannot compare: each is set once
    more as the number that it is. A text that is no number fails here.
    """
    for mapping in lambda_client.list_event_source_mappings()["EventSourceMappings"]:
        numbers = {name: int(mapping[name]) for name in ("BatchSize", "MaximumBatchingWindowInSeconds") if name in mapping}
        if scaling := mapping.get("ScalingConfig"):
            numbers["ScalingConfig"] = {name: int(value) for name, value in scaling.items()}
        lambda_client.update_event_source_mapping(UUID=mapping["UUID"], **numbers)


def _demand_forgotten(template):
    for (kind, property_name), reason in FORGOTTEN.items():
        resources = [resource for resource in template["Resources"].values() if resource["Type"] == kind]
        without = not resources or any(property_name not in resource["Properties"] for resource in resources)
        assert not without, f"{kind} has no {property_name}, which the emulator would not notice: {reason}"


def _leave_out(template):
    resources = template["Resources"]
    names = [name for name, resource in resources.items() if resource["Type"] in LEFT_OUT]
    for name in names:
        del resources[name]
    for resource in resources.values():
        depends_on = resource.get("DependsOn", [])
        depends_on = [depends_on] if isinstance(depends_on, str) else depends_on
        if kept := [name for name in depends_on if name in resources]:
            resource["DependsOn"] = kept
        else:
            resource.pop("DependsOn", None)
    return names


def _plain_alarms(template):
    """Alarms on an expression over several metrics, and those on other alarms: neither is known."""
    for resource in template["Resources"].values():
        is_composite = resource["Type"] == "AWS::CloudWatch::CompositeAlarm"
        is_expression = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
        if is_composite or is_expression:
            resource.update(Type="AWS::CloudWatch::Alarm", Properties=dict(PLAIN_ALARM))


def _with_secrets_by_arn(part, secrets):
    """`Ref` of a secret is its ARN on AWS and its name here, which no policy matches: it is asked for as an attribute."""
    if isinstance(part, dict):
        if len(part) == 1 and part.get("Ref") in secrets:
            return {"Fn::GetAtt": [part["Ref"], "Id"]}
        return {name: _with_secrets_by_arn(value, secrets) for name, value in part.items()}
    if isinstance(part, list):
        return [_with_secrets_by_arn(value, secrets) for value in part]
    return part


def _allow_batches(template):
    """On AWS whoever may send, delete or hide one message of a queue may do so with a batch of them; here that is an
    action of its own. Each statement that names the one is given the other.
    """
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                actions = [actions] if isinstance(actions, str) else actions
                statement["Action"] = actions + [f"{action}Batch" for action in actions if action in BATCHED]


def _routes(template):
    """Routes of an HTTP API that come as an OpenAPI body are ignored: each becomes a Route with its Integration. They
    are the body's own, so a route that the template lacks is lacking here. The body's CORS is not proven here.
    """
    resources = template["Resources"]
    apis = [name for name, resource in resources.items() if resource["Type"] == "AWS::ApiGatewayV2::Api"]
    for api in apis:
        body = resources[api]["Properties"].pop("Body")
        resources[api]["Properties"].update(Name=api, ProtocolType="HTTP")
        for path, operations in body["paths"].items():
            for method, operation in operations.items():
                name = f"{api}Route{len(resources)}"
                integration = operation["x-amazon-apigateway-integration"]
                resources[f"{name}Integration"] = {
                    "Type": "AWS::ApiGatewayV2::Integration",
                    "Properties": {
                        "ApiId": {"Ref": api},
                        "IntegrationType": "AWS_PROXY",
                        "IntegrationUri": integration["uri"],
                        "PayloadFormatVersion": integration["payloadFormatVersion"],
                    },
                }
                resources[name] = {
                    "Type": "AWS::ApiGatewayV2::Route",
                    "Properties": {
                        "ApiId": {"Ref": api},
                        "RouteKey": f"{method.upper()} {path}",
                        "Target": {"Fn::Sub": f"integrations/${{{name}Integration}}"},
                    },
                }
