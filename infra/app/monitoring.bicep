// Log Analytics and Application Insights; telemetry comes with the app's identity, not with a key.

@description('Ends the names.')
param token string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('How long telemetry is kept, in days.')
param retentionDays int

@description('The most that is taken in a day, in GB; -1 is no limit.')
param dailyQuotaGb int

@description('The app\'s identity.')
param principalId string

// Monitoring Metrics Publisher.
var role = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-registrail-${token}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyQuotaGb
    }
    features: {
      disableLocalAuth: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-registrail-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, role)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}

@description('Where telemetry is sent; no secret, since local authentication is off.')
output connectionString string = insights.properties.ConnectionString
@description('Resource id of Application Insights.')
output insightsId string = insights.id
