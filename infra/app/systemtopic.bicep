// Where the registry's events come out. Its identity writes dead letters.

@description('Name of the topic.')
param name string

@description('Tags.')
param tags object

@description('Home region of the registry.')
param location string

@description('Resource id of the registry.')
param registryId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: registryId
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

@description('Resource id.')
output id string = topic.id
@description('The topic\'s identity.')
output principalId string = topic.identity.principalId
