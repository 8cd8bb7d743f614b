// A new registry, with its replicas.

@description('Name of the registry.')
param name string

@description('Home region.')
param location string

@description('Tags.')
param tags object

@description('Tier.')
param sku string

@description('Regions it is replicated into; needs Premium.')
param replicaRegions string[]

@description('Whether only private endpoints, and trusted services of Azure, may reach it; needs Premium.')
param isPrivate bool

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkRuleBypassOptions: 'AzureServices'
  }
}

resource replicas 'Microsoft.ContainerRegistry/registries/replications@2025-04-01' = [for region in replicaRegions: {
  parent: registry
  name: region
  location: region
  tags: tags
  properties: {}
}]

@description('Resource id.')
output id string = registry.id
@description('Name of the registry.')
output name string = registry.name
