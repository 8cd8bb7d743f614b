// The function app, on Flex Consumption, and all of its settings.

@description('Ends the names.')
param token string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('The app\'s identity.')
param identityId string

@description('Its client id.')
param identityClientId string

@description('The storage account, for the host and for the tables.')
param storageName string

@description('The container with the code.')
param deploymentContainer string

@description('Where telemetry goes.')
param insightsConnectionString string

@description('The subnet the app leaves through; empty for none.')
param subnetId string

@description('Memory of an instance.')
param instanceMemoryMB int

@description('How many instances there may be.')
param maximumInstanceCount int

@description('Instances that wait for HTTP requests.')
param alwaysReady int

@description('Requests that an instance serves at once.')
param httpConcurrency int

@description('Whether people sign in with Entra.')
param signIn bool

@description('SUMMARIZE_SCHEDULE')
param summarizeSchedule string

@description('EXPIRE_SCHEDULE')
param expireSchedule string

@description('REGISTRAIL_ACCESS_KEYS')
@secure()
param accessKeys string

@description('REGISTRAIL_OPERATORS')
param operators string

@description('REGISTRAIL_MAX_BODY_BYTES')
param maxBodyBytes int

@description('REGISTRAIL_KEEP_PULLS')
param keepPulls bool

@description('REGISTRAIL_KEEP_BLOBS')
param keepBlobs bool

@description('REGISTRAIL_KEEP_DELIVERIES_DAYS')
param keepDeliveriesDays int

@description('REGISTRAIL_KEEP_EVENTS_DAYS; 0 for ever')
param keepEventsDays int

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-registrail-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-registrail-${token}'
  location: location
  // By the last tag azd finds where to deploy the service `app` of azure.yaml.
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Registries post from the internet, so the app is never private; hooks are behind keys.
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReady
          }
        ]
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    {
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
      AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
      AzureWebJobsDisableHomepage: 'true'
      // As if host.json said it: the host then exports OpenTelemetry instead of using the older SDK.
      AzureFunctionsJobHost__telemetryMode: 'OpenTelemetry'
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
      REGISTRAIL_STORAGE__tableServiceUri: account.properties.primaryEndpoints.table
      REGISTRAIL_STORAGE__clientId: identityClientId
      REGISTRAIL_ACCESS_KEYS: accessKeys
      REGISTRAIL_OPERATORS: operators
      REGISTRAIL_MAX_BODY_BYTES: string(maxBodyBytes)
      REGISTRAIL_KEEP_PULLS: keepPulls ? 'true' : 'false'
      REGISTRAIL_KEEP_BLOBS: keepBlobs ? 'true' : 'false'
      REGISTRAIL_KEEP_DELIVERIES_DAYS: string(keepDeliveriesDays)
      REGISTRAIL_KEEP_EVENTS_DAYS: keepEventsDays == 0 ? '' : string(keepEventsDays)
      SUMMARIZE_SCHEDULE: summarizeSchedule
      EXPIRE_SCHEDULE: expireSchedule
    },
    // The identity vouches for the Entra application, so that there is no client secret (signin.bicep).
    signIn ? { OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId } : {}
  )
}

// Publishing takes an identity too: no user names and passwords.
resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = [for way in ['ftp', 'scm']: {
  parent: app
  name: way
  properties: {
    allow: false
  }
}]

@description('Name of the app.')
output name string = app.name
@description('Its address.')
output url string = 'https://${app.properties.defaultHostName}'
