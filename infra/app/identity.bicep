// Who the app is. Its roles stand beside the resources they are for.

@description('Name of the identity.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id.')
output id string = identity.id
@description('What role assignments name.')
output principalId string = identity.properties.principalId
@description('What the app asks for tokens with.')
output clientId string = identity.properties.clientId
