// Alerts on the app's own failures. What to do about each is in the operations guide.

@description('Ends the names.')
param token string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Application Insights.')
param insightsId string

@description('The storage account.')
param storageId string

@description('The registry\'s system topic.')
param systemTopicId string

@description('Who is mailed; empty for nobody.')
param email string

// Each asks Application Insights every five minutes and fires on any row, or more rows than the threshold.
var queries = [
  {
    name: 'hooks-failed'
    description: 'A hook or the Event Grid trigger failed. ACR tries once, so a push or delete may be missing unless Event Grid brings it.'
    severity: 1
    window: 'PT5M'
    query: 'requests | where operation_Name in ("receive_hook", "receive_event") or name has "hooks/" | where success == false and resultCode !startswith "4"'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'hooks-refused'
    description: 'Many requests to hooks were refused: a sender has a wrong key, or sends what cannot be read.'
    severity: 2
    window: 'PT15M'
    query: 'requests | where operation_Name == "receive_hook" or name has "hooks/" | where resultCode startswith "4"'
    operator: 'GreaterThan'
    threshold: 20
  }
  {
    name: 'timers-failed'
    description: 'Counting or deleting failed. It is tried again with the next run; nothing is lost, but pages are late.'
    severity: 2
    window: 'PT15M'
    query: 'requests | where operation_Name in ("summarize_activity", "expire_history") or name in ("summarize_activity", "expire_history") | where success == false'
    operator: 'GreaterThan'
    threshold: 2
  }
  {
    name: 'timer-silent'
    description: 'summarize_activity has not run for an hour: the app does not start, or its telemetry does not arrive.'
    severity: 1
    window: 'PT1H'
    query: 'requests | where operation_Name == "summarize_activity" or name == "summarize_activity"'
    operator: 'LessThan'
    threshold: 1
  }
]

var metrics = [
  {
    name: 'dead-letters'
    description: 'Event Grid gave an event up and wrote it to the container deadletters.'
    target: systemTopicId
    namespace: 'Microsoft.EventGrid/systemTopics'
    metric: 'DeadLetteredCount'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    severity: 1
  }
  {
    name: 'events-dropped'
    description: 'Event Grid gave an event up and could not even write it to the container deadletters.'
    target: systemTopicId
    namespace: 'Microsoft.EventGrid/systemTopics'
    metric: 'DroppedEventCount'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    severity: 0
  }
  {
    name: 'storage-unavailable'
    description: 'The storage account refuses or fails requests: hooks answer 503.'
    target: storageId
    namespace: 'Microsoft.Storage/storageAccounts'
    metric: 'Availability'
    aggregation: 'Average'
    operator: 'LessThan'
    threshold: 99
    severity: 1
  }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-registrail-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'registrail'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in queries: {
  name: 'registrail-${alert.name}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Registrail: ${alert.name}'
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: alert.window
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Count'
          operator: alert.operator
          threshold: alert.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    actions: {
      actionGroups: empty(email) ? [] : [group.id]
    }
  }
}]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [for alert in metrics: {
  name: 'registrail-${alert.name}-${token}'
  location: 'global'
  tags: tags
  properties: {
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [alert.target]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: alert.metric
          metricNamespace: alert.namespace
          metricName: alert.metric
          operator: alert.operator
          threshold: alert.threshold
          timeAggregation: alert.aggregation
        }
      ]
    }
    autoMitigate: true
    actions: empty(email) ? [] : [
      {
        actionGroupId: group.id
      }
    ]
  }
}]
