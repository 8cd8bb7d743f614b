// Connects the registry to the deployed app: webhooks and the Event Grid subscription. They name a function and a key,
// which exist only after the code is there, so tools/infra/postdeploy.py deploys this, after `azd deploy`.

@description('The function app, in this resource group.')
param appName string

@description('The host key that senders show; the hook makes it.')
param keyName string

@description('The storage account with the container for dead letters, in this resource group.')
param storageName string

@description('The registry.')
param registryName string

@description('The resource group of the registry and its system topic.')
param registryResourceGroup string

@description('The regions of the registry besides its own, separated by commas.')
param replicaRegions string = ''

@description('What the webhooks are for, separated by commas: `repository:tag`, `repository:*` or `*` for everything. A registry of the tier Basic may have 2 webhooks, of Standard 10.')
param webhookScopes string = '*'

@description('The system topic of the registry.')
param systemTopicName string

@description('Whether people sign in: the destination is then the hook, since the platform\'s sign-in stands before /runtime as well.')
param signIn bool = false

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: appName
}

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

var url = 'https://${app.properties.defaultHostName}'

module recorded 'app/recorded.bicep' = {
  scope: resourceGroup(registryResourceGroup)
  params: {
    name: registryName
  }
}

module webhooks 'app/webhooks.bicep' = {
  scope: resourceGroup(registryResourceGroup)
  params: {
    registryName: registryName
    loginServer: recorded.outputs.loginServer
    location: recorded.outputs.location
    url: url
    key: listKeys('${app.id}/host/default', '2024-11-01').functionKeys[keyName]
    replicaRegions: empty(replicaRegions) ? [] : split(replicaRegions, ',')
    scopes: split(webhookScopes, ',')
  }
}

module subscription 'app/subscription.bicep' = {
  scope: resourceGroup(registryResourceGroup)
  params: {
    systemTopicName: systemTopicName
    functionId: '${app.id}/functions/receive_event'
    hookUrl: signIn ? '${url}/hooks/eventgrid?code=${uriComponent(listKeys('${app.id}/host/default', '2024-11-01').functionKeys[keyName])}' : ''
    deadLetterAccountId: account.id
  }
}
