// Where the registry's events come out. Its identity writes dead letters.

@description('Name of the topic.')
param name string

@description('Tags.')
param tags object

@description('The registry, in this resource group.')
param registryName string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: registry.location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: registry.id
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

@description('Resource id.')
output id string = topic.id
@description('The topic\'s identity.')
output principalId string = topic.identity.principalId
@description('The registry, now that it is certain to exist.')
output registryName string = registry.name
