// The journal and its projections, the code, dead letters, and what the host needs. No keys: everybody comes with an identity.

@description('Name of the account.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Redundancy.')
param sku string

@description('Whether a lock keeps the account from being deleted.')
param lock bool

@description('Whether only private endpoints, and trusted services of Azure with an identity, may reach it.')
param isPrivate bool

@description('The app\'s identity.')
param principalId string

// The tables of the app (`TABLE` in registrail/storage); it would make them itself, but then nobody could grant or watch them before.
var tables = ['activity', 'catalog', 'deliveries', 'events', 'history', 'marks']
var containers = ['deployments', 'deadletters']

// Blob Data Owner: the host's leases, keys and code. Table Data Contributor: the app, and the host's diagnostic events.
var roles = [
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
]

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Not publicNetworkAccess 'Disabled': Event Grid writes dead letters as a trusted service.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: {
        enabled: true
        days: 14
      }
    }

    resource container 'containers' = [for item in containers: {
      name: item
      properties: {
        publicAccess: 'None'
      }
    }]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource table 'tables' = [for item in tables: {
      name: item
    }]
  }
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles: {
  name: guid(account.id, principalId, role)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource protection 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'journal'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'The journal of Registrail. Remove this lock before `azd down`.'
  }
}

@description('Resource id.')
output id string = account.id
@description('Name of the account.')
output name string = account.name
@description('The container the code is deployed to.')
output deploymentContainer string = containers[0]
