// The task that rebuilds the image: on a commit, on a new base image, and once a week.

@description('The registry, in this resource group.')
param registryName string

@description('Region of the registry.')
param location string = resourceGroup().location

@description('Name of the task.')
param name string = 'registrail-build'

@description('The repository and branch to build, as ACR takes it: https://github.com/OWNER/registrail.git#main')
param source string

@description('A token for the repository, to read it and to register a webhook. Empty: no build on a commit.')
@secure()
param sourceToken string = ''

@description('The base image, in this registry: `make acr-import` puts it there. A tag, not a digest: a digest never changes, so there would be nothing to watch.')
param baseImage string = 'base/azure-functions-python:4-python3.13'

@description('When it is built anyway: cron with five fields, UTC.')
param schedule string = '30 3 * * 1'

@description('Where it runs. Empty: on the shared agents of ACR Tasks, which cannot reach a registry behind private endpoints.')
param agentPoolName string = ''

@description('The tier of a new agent pool of that name. Empty: the pool is there already.')
@allowed(['', 'S1', 'S2', 'S3', 'I6'])
param agentPoolTier string = ''

@description('The subnet of a new agent pool. Empty: none.')
param agentPoolSubnetId string = ''

var branch = contains(source, '#') ? last(split(source, '#')) : 'main'

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource pool 'Microsoft.ContainerRegistry/registries/agentPools@2025-03-01-preview' = if (!empty(agentPoolTier)) {
  parent: registry
  name: empty(agentPoolName) ? 'registrail' : agentPoolName
  location: location
  properties: {
    os: 'Linux'
    tier: agentPoolTier
    count: 1
    virtualNetworkSubnetResourceId: empty(agentPoolSubnetId) ? null : agentPoolSubnetId
  }
}

// The preview version, because 2019-04-01 has no agentPoolName.
resource task 'Microsoft.ContainerRegistry/registries/tasks@2025-03-01-preview' = {
  parent: registry
  name: name
  location: location
  dependsOn: [pool]
  properties: {
    status: 'Enabled'
    platform: {
      os: 'Linux'
      architecture: 'amd64'
    }
    agentPoolName: empty(agentPoolName) ? null : agentPoolName
    agentConfiguration: empty(agentPoolName) ? { cpu: 2 } : null
    timeout: 3600
    step: {
      type: 'EncodedTask'
      encodedTaskContent: loadFileAsBase64('build.yaml')
      contextPath: source
      contextAccessToken: empty(sourceToken) ? null : sourceToken
      values: [
        {
          name: 'base'
          value: '${registry.properties.loginServer}/${baseImage}'
          isSecret: false
        }
      ]
    }
    trigger: {
      baseImageTrigger: {
        name: 'base-image'
        // Runtime: what the last stage is built on. The other stages use the same image anyway.
        baseImageTriggerType: 'Runtime'
        status: 'Enabled'
      }
      timerTriggers: [
        {
          name: 'weekly'
          schedule: schedule
          status: 'Enabled'
        }
      ]
      sourceTriggers: empty(sourceToken) ? [] : [
        {
          name: 'commit'
          sourceTriggerEvents: ['commit']
          status: 'Enabled'
          sourceRepository: {
            sourceControlType: 'Github'
            repositoryUrl: first(split(source, '#'))
            branch: branch
            sourceControlAuthProperties: {
              tokenType: 'PAT'
              token: sourceToken
            }
          }
        }
      ]
    }
  }
}
