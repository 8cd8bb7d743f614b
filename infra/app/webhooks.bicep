// The registry's webhooks: for each scope one in each region, since each region tells only of what happened in it.

@description('The registry, in this resource group.')
param registryName string

@description('The address of the app.')
param url string

@description('The host key.')
@secure()
param key string

@description('The regions of the registry besides its own.')
param replicaRegions string[]

@description('What they are for; * is everything.')
param scopes string[]

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

// Legacy chart events do not name their registry, and no event names its region: the address does.
var places = map(replicaRegions, region => toLower(replace(region, ' ', '')))

resource home 'Microsoft.ContainerRegistry/registries/webhooks@2025-04-01' = [for scope in scopes: {
  parent: registry
  name: 'registrail${uniqueString(scope)}'
  location: registry.location
  properties: {
    actions: ['push', 'delete', 'quarantine', 'chart_push', 'chart_delete']
    scope: scope == '*' ? '' : scope
    status: 'enabled'
    serviceUri: '${url}/hooks/acr?registry=${registry.properties.loginServer}&region=${registry.location}'
    customHeaders: {
      'x-functions-key': key
    }
  }
}]

resource replicas 'Microsoft.ContainerRegistry/registries/webhooks@2025-04-01' = [for i in range(0, length(places) * length(scopes)): {
  parent: registry
  name: take('registrail${places[i / length(scopes)]}${uniqueString(scopes[i % length(scopes)])}', 50)
  location: places[i / length(scopes)]
  properties: {
    actions: ['push', 'delete', 'quarantine', 'chart_push', 'chart_delete']
    scope: scopes[i % length(scopes)] == '*' ? '' : scopes[i % length(scopes)]
    status: 'enabled'
    serviceUri: '${url}/hooks/acr?registry=${registry.properties.loginServer}&region=${places[i / length(scopes)]}'
    customHeaders: {
      'x-functions-key': key
    }
  }
}]
