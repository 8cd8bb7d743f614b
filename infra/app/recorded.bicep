// The registry that is recorded, new or not: what only it can tell. Names and places cannot be asked for where they are used.

@description('The registry, in this resource group.')
param name string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: name
}

@description('Resource id.')
output id string = registry.id
@description('Name of the registry, now that it is certain to exist.')
output name string = registry.name
@description('Its home region.')
output location string = registry.location
@description('What images begin with.')
output loginServer string = registry.properties.loginServer
