// The registry's webhooks: for each scope one in each region, since each region tells only of what happened in it.

@description('The registry, in this resource group.')
param registryName string

@description('What its images begin with.')
param loginServer string

@description('Its home region.')
param location string

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

// Each region tells only of what happened in it, and no event names its region: the address does. Nor do legacy chart events
// name their registry.
var regions = union([location], map(replicaRegions, region => toLower(replace(region, ' ', ''))))
var wanted = flatten(map(regions, region => map(scopes, scope => { region: region, scope: scope })))

resource webhooks 'Microsoft.ContainerRegistry/registries/webhooks@2025-04-01' = [for hook in wanted: {
  parent: registry
  name: take('registrail${hook.region}${uniqueString(hook.scope)}', 50)
  location: hook.region
  properties: {
    actions: ['push', 'delete', 'quarantine', 'chart_push', 'chart_delete']
    scope: hook.scope != '*' ? hook.scope : ''
    status: 'enabled'
    serviceUri: '${url}/hooks/acr?registry=${loginServer}&region=${hook.region}'
    customHeaders: {
      'x-functions-key': key
    }
  }
}]
